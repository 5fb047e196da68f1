package lab

import com.cloudbees.groovy.cps.Outcome
import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** The steps that the library and its examples use, and the directives of declarative pipelines. */
class Steps {
    /** Names that make a value instead of doing something. */
    static final List<String> SYMBOLS = ['string', 'usernamePassword', 'file', 'nonresumable']

    /** Every known step with the arguments that it takes. */
    private static final Map<String, List<String>> KNOWN = [
        sh: ['script', 'returnStatus', 'returnStdout', 'encoding', 'label'], bat: ['script', 'returnStatus', 'returnStdout', 'encoding', 'label'],
        isUnix: [], pwd: ['tmp'], echo: ['message'], error: ['message'], unstable: ['message'], sleep: ['time', 'unit'],
        writeFile: ['file', 'text', 'encoding'], readFile: ['file', 'encoding'], fileExists: ['file'], deleteDir: [],
        archiveArtifacts: ['artifacts', 'allowEmptyArchive', 'fingerprint'], junit: ['testResults', 'allowEmptyResults'],
        withEnv: ['overrides'], withCredentials: ['bindings'], dir: ['path'], node: ['label'], stage: ['name'], timeout: ['time', 'unit'], retry: ['count', 'conditions'],
        input: ['id', 'message', 'ok'],
        catchError: ['message', 'buildResult', 'stageResult', 'catchInterruptions'], parallel: ['branches'],
        pipeline: [], agent: ['label'], environment: [], options: [], parameters: [], triggers: [], tools: [], stages: [], steps: [], script: [], post: [],
        matrix: [], axes: [], axis: [], name: ['name'], values: ['values'], when: [], always: [], success: [], unsuccessful: [], failure: [], aborted: [], cleanup: [],
    ]
    private static final List<String> NOT_RUN = ['options', 'parameters', 'triggers', 'tools', 'when']
    private static final Map<String, List<String>> POST = [
        always: ['SUCCESS', 'UNSTABLE', 'FAILURE', 'ABORTED'], cleanup: ['SUCCESS', 'UNSTABLE', 'FAILURE', 'ABORTED'],
        success: ['SUCCESS'], failure: ['FAILURE'], aborted: ['ABORTED'], unsuccessful: ['UNSTABLE', 'FAILURE', 'ABORTED'],
    ]

    private final Jenkins jenkins

    Steps(Jenkins jenkins) {
        this.jenkins = jenkins
    }

    static boolean knows(String step) {
        KNOWN.containsKey(step)
    }

    /** Runs a step. Returns its outcome, or null when it opened a block. */
    Outcome start(StepCall call) {
        List<String> unknown = call.name == 'parallel' ? [] : (call.arguments.keySet()*.toString() - KNOWN[call.name])
        assert !unknown: "step $call.name has no argument $unknown"
        Object fault = jenkins.faults[call.name]
        if (fault instanceof Closure) {
            fault = fault(call)
        }
        if (fault) {
            throw fault
        }
        if (call.body != null && NOT_RUN.contains(call.name)) {
            return done()
        }
        switch (call.name) {
            case 'echo': jenkins.print(call.text('message')); return done()
            case 'error': throw new AbortException(call.text('message'))
            case 'unstable': jenkins.print("WARNING: ${call.text('message')}"); jenkins.worsen('UNSTABLE'); return done()
            case 'sleep': return done()
            case 'isUnix': agent(call); return done(!jenkins.windows)
            case 'pwd': agent(call); return done(call['tmp'] ? folder().path.replaceFirst(/(workspace)/, '$1@tmp') : folder().path)
            case ['sh', 'bat']: return runShell(call)
            case 'writeFile':
                File target = file(call.text('file'))
                target.parentFile.mkdirs()
                target.setText(call.text('text'), call.text('encoding'))
                return done()
            case 'readFile': return done(file(call.text('file')).getText(call.text('encoding')))
            case 'fileExists': return done(file(call.text('file')).exists())
            case 'deleteDir': folder().deleteDir(); return done()
            case ['archiveArtifacts', 'junit']: agent(call); return done()
            case 'input': return ask(call)
            case 'agent':
                jenkins.open.last().agent = call['label'] != 'none'
                return done()
            case 'post':
                jenkins.open.last().memory.post = call.body
                return done()
            case 'when': return done()
            case 'name':
                jenkins.open.last().memory.axis = call.text('name')
                return done()
            case 'values':
                List alternatives = (call['values'] as List).collect { "${jenkins.open.last().memory.axis}=$it".toString() }
                Map matrix = jenkins.open.reverse().find { it.call?.name == 'matrix' }.memory
                matrix.cells = (matrix.cells ?: [[]]).collectMany { List cell -> alternatives.collect { cell + it } }
                return done()
            default: return openBlock(call)
        }
    }

    private static Outcome done(Object value = null) {
        new Outcome(value, null)
    }

    private void agent(StepCall call) {
        if (!jenkins.open.any { it.agent }) {
            throw new IllegalStateException("Required context class hudson.FilePath is missing\nPerhaps you forgot to surround the $call.name step with a step that provides this, such as: node")
        }
    }

    private File folder() {
        String set = jenkins.open.reverse().find { it.folder }?.folder
        set ? new File(set) : jenkins.workspace
    }

    private File file(String path) {
        new File(path).absolute ? new File(path) : new File(folder(), path)
    }

    private Outcome runShell(StepCall call) {
        agent(call)
        if (call.name == (jenkins.windows ? 'sh' : 'bat')) {
            throw new IOException(jenkins.windows ? 'Cannot run program "nohup"' : 'Batch scripts can only be run on Windows nodes')
        }
        folder().mkdirs()
        Shell shell = new Shell(jenkins: jenkins, step: call.name, script: call.text('script'), environment: jenkins.shellEnvironment(), folder: folder())
        Object code = jenkins.shell(shell)
        if (call['returnStatus']) {
            return done(code as int)
        }
        if (code as int) {
            throw new AbortException("script returned exit code $code")
        }
        done(call['returnStdout'] ? shell.output : null)
    }

    /** The variables that a binding sets. */
    private List<String> bound(Map binding) {
        String secret = jenkins.secret(binding.credentialsId, binding.symbol)
        if (binding.symbol == 'usernamePassword') {
            return ["$binding.usernameVariable=${jenkins.credentials[binding.credentialsId].user}".toString(), "$binding.passwordVariable=$secret".toString()]
        }
        ["$binding.variable=$secret".toString()]
    }

    /** Answered at once when a test says how; else the branch stands still and another one runs. */
    private Outcome ask(StepCall call) {
        jenkins.answers.contains(call.text('id')) ? done() : park(innermostParallel(), null, Long.MAX_VALUE)
    }

    /** A step has ended: its branch continues when it is its turn, and after a `sleep` when that is over. */
    Outcome turn(Outcome ended, StepCall call) {
        Long end = call.name == 'sleep' && ended.abnormal == null ? jenkins.now + (call['time'] as long) * 1000 : jenkins.now
        int at = innermostParallel()
        if (at < 0) {
            jenkins.pass(end)
            return ended
        }
        park(at, ended, end)
    }

    private int innermostParallel() {
        jenkins.open.findLastIndexOf { it.call?.name == 'parallel' }
    }

    /** Puts the running branch aside, until `wake` at least, and continues with the next one. */
    private Outcome park(int at, Outcome ended, long wake) {
        assert at >= 0: 'nobody answers the input'
        Frame frame = jenkins.open[at]
        List above = new ArrayList(jenkins.open.subList(at + 1, jenkins.open.size()))
        while (jenkins.open.size() > at) {
            jenkins.open.pop()
        }
        frame.memory.parked << [branch: frame.memory.branch, program: frame.program, frames: above, ended: ended, wake: wake]
        next(frame)
    }

    /** Begins the next branch, or continues with the one that wakes first. */
    private Outcome next(Frame frame) {
        if (frame.memory.waiting) {
            frame.memory.branch = frame.memory.waiting.remove(0)
            jenkins.open(frame, frame.memory.branches[frame.memory.branch])
            return null
        }
        Map first = frame.memory.parked.min { it.wake }
        assert first.wake < Long.MAX_VALUE: 'nobody answers the input'
        jenkins.pass(first.wake)
        resume(frame, first)
        first.ended as Outcome
    }

    private void resume(Frame frame, Map parked) {
        frame.memory.parked.remove(parked)
        frame.memory.branch = parked.branch
        frame.program = parked.program
        jenkins.open.add(frame)
        jenkins.open.addAll(parked.frames)
    }

    private Outcome openBlock(StepCall call) {
        Frame frame = new Frame(call: call)
        Closure body = call.body
        switch (call.name) {
            case 'withEnv': frame.overrides = (call['overrides'] as List)*.toString(); break
            case 'withCredentials': frame.overrides = (call['bindings'] as List).collectMany { bound(it) }; break
            case 'dir': agent(call); frame.folder = file(call.text('path')).path; break
            case 'node': frame.agent = true; break
            case 'retry': frame.memory.left = (call['count'] as int) - 1; break
            case 'environment':
                Globals.Assignments assignments = new Globals.Assignments()
                body.delegate = assignments
                body.resolveStrategy = Closure.DELEGATE_FIRST
                frame.memory.assignments = assignments
                break
            case 'stages':
                // One after the other, where Jenkins runs the cells of a matrix side by side.
                Map around = jenkins.open.last().memory
                if (around.cells) {
                    frame.memory.cells = new ArrayList(around.cells)
                    frame.overrides = frame.memory.cells.remove(0)
                }
                break
            case 'parallel':
                Map branches = call.arguments.findAll { it.value instanceof Closure }
                frame.memory.waiting = branches.keySet() as List
                frame.memory.results = [:]
                frame.memory.branches = branches
                frame.memory.parked = []
                frame.memory.branch = frame.memory.waiting.remove(0)
                body = branches[frame.memory.branch]
                break
            case POST.keySet():
                if (!POST[call.name].contains(jenkins.open.find { it.call?.name == 'post' }?.memory?.result ?: jenkins.result)) {
                    return done()
                }
                break
        }
        assert body != null: "step $call.name must be called with a body"
        jenkins.open(frame, body)
        null
    }

    /** A block has ended: what the step around it makes of that. Returns null when it opened another. */
    Outcome ended(Frame frame, Outcome outcome) {
        if (frame.memory.instead && frame.call.name != 'post') {
            outcome = frame.memory.instead
        }
        Throwable thrown = outcome.abnormal
        if (frame.memory.post) {
            String result = thrown == null ? jenkins.result : thrown instanceof FlowInterruptedException ? 'ABORTED' : 'FAILURE'
            Frame after = new Frame(call: new StepCall('post', [frame.memory.post] as Object[]), agent: frame.agent, overrides: frame.overrides)
            after.memory.putAll(result: result, instead: outcome)
            jenkins.open(after, frame.memory.post)
            return null
        }
        switch (frame.call.name) {
            case 'post':
                return thrown == null ? frame.memory.instead : outcome
            case ['steps', 'stages']:
                if (thrown == null && frame.memory.cells) {
                    frame.overrides = frame.memory.cells.remove(0)
                    jenkins.open(frame, frame.call.body)
                    return null
                }
                // What follows may be a post part: the block around it fails at its own end.
                if (thrown != null) {
                    jenkins.open.last().memory.instead = outcome
                }
                return done()
            case 'environment':
                jenkins.open.last().overrides.addAll(frame.memory.assignments.entries())
                return outcome
            case 'catchError':
                if (thrown == null || thrown instanceof FlowInterruptedException && frame.call['catchInterruptions'] == false) {
                    return outcome
                }
                jenkins.print("ERROR: ${frame.call['message'] ?: ''} $thrown.message")
                jenkins.worsen(frame.call.text('buildResult') ?: 'FAILURE')
                return done()
            case 'retry':
                boolean again = frame.call['conditions'] ? thrown instanceof AgentLost : !(thrown instanceof FlowInterruptedException)
                if (thrown == null || !again || !frame.memory.left) {
                    return outcome
                }
                jenkins.print("ERROR: $thrown.message")
                frame.memory.left--
                jenkins.open(frame, frame.call.body)
                return null
            case 'parallel':
                frame.memory.results[frame.memory.branch] = outcome
                boolean ended = frame.call['failFast'] && frame.memory.results.values().any { it.abnormal != null }
                if (ended && frame.memory.parked) {
                    Map other = frame.memory.parked[0]
                    resume(frame, other)
                    return jenkins.interruptionsLost-- > 0 ? other.ended as Outcome : new Outcome(null, new FlowInterruptedException())
                }
                if (!ended && (frame.memory.waiting || frame.memory.parked)) {
                    return next(frame)
                }
                Throwable first = frame.memory.results.values()*.abnormal.find { it != null }
                return first == null ? done(frame.memory.results.collectEntries { name, one -> [(name): one.normal] }) : new Outcome(null, first)
            default:
                return outcome
        }
    }
}
