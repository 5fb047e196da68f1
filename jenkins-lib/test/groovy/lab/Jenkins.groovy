package lab

import com.cloudbees.groovy.cps.Continuable
import com.cloudbees.groovy.cps.Continuation
import com.cloudbees.groovy.cps.CpsTransformer
import com.cloudbees.groovy.cps.Env
import com.cloudbees.groovy.cps.Envs
import com.cloudbees.groovy.cps.NonCPS
import com.cloudbees.groovy.cps.ObjectInputStreamWithLoader
import com.cloudbees.groovy.cps.Outcome
import com.cloudbees.groovy.cps.impl.CpsCallableInvocation
import com.cloudbees.groovy.cps.sandbox.DefaultInvoker
import com.cloudbees.groovy.cps.sandbox.SandboxInvoker
import hudson.AbortException
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer
import org.jenkinsci.plugins.workflow.libs.Library
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

import java.util.concurrent.ConcurrentHashMap

/**
 * A controller in one file: runs one pipeline with the library in vars/, the way Jenkins does.
 *
 * Pipeline and library are CPS-transformed and interpreted. Every step suspends the program; then the whole
 * program is written out and read back, as over a restart, and continues from the copy. So a value that cannot be
 * saved, or a step where none may be, ends the test and not the pipeline, which cannot catch it.
 */
class Jenkins implements Closeable {
    private static final ThreadLocal<Jenkins> CURRENT = new ThreadLocal<>()

    /** The controller whose pipeline runs in this thread. */
    static Jenkins running() {
        CURRENT.get()
    }

    // What a test sets.
    /** Whether pipeline and library run in the sandbox, as a library of a folder does. */
    boolean sandbox = true
    /** Whether only the library is trusted, as a library of the whole controller is. */
    boolean trustedLibrary = false
    boolean windows = false
    /** Whether the agent's Java runs in a POSIX locale: what a step puts into the environment arrives with `?` for everything beyond ASCII. */
    boolean posixLocale = false
    /** id -> [kind: 'string', secret: '…']. */
    Map<String, Map> credentials = ['codemagic-api-key': [kind: 'string', secret: 'cm-secret-0123456789abcdef']]
    Map<String, String> buildEnvironment = [:]
    Map<String, String> agentEnvironment = [PATH: System.getenv('PATH'), LANG: 'C.UTF-8', HOME: System.getProperty('java.io.tmpdir')]
    Map<String, Object> params = [:]
    /** What `sh` and `bat` do: takes a Shell, returns the exit code. */
    Closure shell = { Shell call -> 0 }
    /** Step name -> what it throws, or a closure that gets the call and returns what it throws, or null. */
    Map<String, Object> faults = [:]
    /** The ids of the questions (`input`) that somebody answers. */
    List<String> answers = []
    /** Gets the seconds that a `sleep` takes: time passes in no time, and what else has a clock can follow. */
    Closure passing = { double seconds -> }
    /** How many branches do not notice that failFast interrupts them: Jenkins loses that for one that is between two steps. */
    int interruptionsLost = 0
    /** At how many of the steps the program is saved; a pipeline of thousands of steps takes minutes otherwise. */
    int savedEvery = 1
    File varsFolder = new File(System.getProperty('repository'), 'vars')

    // What a test reads.
    /** The controller's clock, in milliseconds since 1970, which a `sleep` moves; sandboxed code reads this one. */
    long now = System.currentTimeMillis()
    String result = 'SUCCESS'
    Throwable failure
    Object returned
    final Map<String, String> buildProperties = [:]
    final List<StepCall> calls = []
    final List<String> console = []
    final File home = File.createTempDir('jenkins-lab', '')
    final Gatekeeper gatekeeper = new Gatekeeper()
    final Map<String, PipelineScript> scripts = [:]

    /** Compilers by library folder and kind, and what they compiled: vars/ is compiled once for all tests. */
    private static final Map<List, GroovyShell> LIBRARY_COMPILERS = new ConcurrentHashMap<>()
    private static final Map<List, Class> LIBRARY_CLASSES = new ConcurrentHashMap<>()

    private final Steps steps = new Steps(this)
    private List<Frame> frames = []
    private List library
    private GroovyShell pipelineCompiler

    Jenkins(Map settings = [:]) {
        settings.each { name, value -> this[name] = value }
        new File(home, 'workspace').mkdirs()
        library = [varsFolder, sandbox && !trustedLibrary]
        GroovyShell libraryCompiler = LIBRARY_COMPILERS.computeIfAbsent(library) { compiler(Jenkins.classLoader, it[1] as boolean) }
        pipelineCompiler = compiler(libraryCompiler.classLoader, sandbox)
    }

    private static GroovyShell compiler(ClassLoader parent, boolean sandboxed) {
        CompilerConfiguration configuration = new CompilerConfiguration(scriptBaseClass: PipelineScript.name)
        configuration.addCompilationCustomizers(
            new ImportCustomizer().addStarImports(NonCPS.package.name).addImports(Library.name),
            sandboxed ? new SandboxedTransformer() : new CpsTransformer())
        new GroovyShell(parent, new Binding(), configuration)
    }

    File getWorkspace() {
        new File(home, 'workspace')
    }

    /** What is left of the folders that steps make outside the workspace proper. */
    List<String> getLeftovers() {
        new File(home, 'workspace@tmp').list() as List ?: []
    }

    List<StepCall> called(String step) {
        calls.findAll { it.name == step }
    }

    String secret(String id, String kind) {
        Map credential = credentials[id]
        if (credential == null) {
            throw new org.jenkinsci.plugins.credentialsbinding.impl.CredentialNotFoundException("Could not find credentials entry with ID '$id'")
        }
        if (credential.kind != kind) {
            throw new org.jenkinsci.plugins.credentialsbinding.impl.CredentialNotFoundException("Credentials '$id' is of type '$credential.kind' where '$kind' was expected")
        }
        credential.secret
    }

    void worsen(String to) {
        List<String> order = ['SUCCESS', 'UNSTABLE', 'FAILURE', 'NOT_BUILT', 'ABORTED']
        if (order.indexOf(result) < order.indexOf(to)) {
            result = to
        }
    }

    Object globalVariable(String name) {
        switch (name) {
            case 'env': return new Globals.Env()
            case 'currentBuild': return new Globals.CurrentBuild()
            case 'params': return params
            case ['any', 'none']: return name
            default: return null
        }
    }

    /** A file of vars/: one object for the whole build, as in Jenkins. */
    Object libraryVariable(String name) {
        File source = new File(varsFolder, name + '.groovy')
        if (!scripts.containsKey(name) && source.file) {
            Class compiled = LIBRARY_CLASSES.computeIfAbsent(library + name) {
                LIBRARY_COMPILERS[library].classLoader.parseClass(source.getText('UTF-8'), source.name)
            }
            scripts[name] = compiled.newInstance() as PipelineScript
        }
        scripts[name]
    }

    /** The environment as the step at hand sees it. */
    Map<String, String> environmentNow() {
        Map<String, String> environment = [:]
        if (frames.any { it.agent }) {
            environment.putAll(agentEnvironment)
            environment.putAll(NODE_NAME: 'agent-1', WORKSPACE: workspace.path)
        }
        environment.putAll(BUILD_NUMBER: '7', JOB_NAME: 'mobile', BUILD_URL: 'https://jenkins.example.com/job/mobile/7/', BUILD_TAG: 'jenkins-mobile-7', CI: 'true')
        params.each { name, value -> environment[name] = value.toString() }
        environment.putAll(buildEnvironment)
        frames*.overrides.flatten().each { String entry ->
            String name = entry.substring(0, entry.indexOf('='))
            String value = entry.substring(entry.indexOf('=') + 1)
            if (value) {
                environment[name] = value
            } else {
                environment.remove(name) // EnvVars.override does the same.
            }
        }
        environment
    }

    /** The same as a process on the agent gets it. */
    Map<String, String> shellEnvironment() {
        environmentNow().collectEntries { name, value -> [(name): posixLocale ? value.replaceAll(/[^\x00-\x7f]/, '?') : value] }
    }

    List<Frame> getOpen() {
        frames
    }

    /** Moves the clock on to this moment. */
    void pass(long until) {
        if (until > now) {
            passing((until - now) / 1000d)
            now = until
        }
    }

    void print(Object text) {
        console.addAll(text.toString().readLines())
    }

    /** Runs a pipeline to its end; how it ended is in `result`, `failure` and `returned`. */
    Jenkins run(String pipeline) {
        CURRENT.set(this)
        CpsCallableInvocation.registerMismatchHandler { Object expectedReceiver, String expected, Object receiver, String actual ->
            throw new ForbiddenStep("expected to call $expected but wound up catching $actual: a step was called where CPS forbids it")
        }
        gatekeeper.register()
        try {
            PipelineScript script = pipelineCompiler.parse(pipeline, 'WorkflowScript.groovy') as PipelineScript
            scripts.WorkflowScript = script
            frames = [new Frame(program: new Continuable(script, emptyEnv()))]
            Outcome outcome = interpret()
            returned = outcome.normal
            failure = outcome.abnormal
        } catch (CpsCallableInvocation invocation) {
            throw new ForbiddenStep("plain code ran into $invocation.methodName of a pipeline")
        } finally {
            gatekeeper.unregister()
            CpsCallableInvocation.registerMismatchHandler(null)
            CURRENT.remove()
        }
        if (failure != null) {
            worsen(failure instanceof FlowInterruptedException ? 'ABORTED' : 'FAILURE')
            print(failure instanceof AbortException ? "ERROR: $failure.message" : failure.toString())
        }
        print("Finished: $result")
        this
    }

    /** Calls a @NonCPS method of a library file that takes nothing; null when the file has no such method. */
    Object call(String file, String method) {
        CURRENT.set(this)
        try {
            Object script = libraryVariable(file)
            return script.metaClass.respondsTo(script, method) ? script."$method"() : null
        } finally {
            CURRENT.remove()
        }
    }

    private Env emptyEnv() {
        Envs.empty(sandbox ? new SandboxInvoker() : DefaultInvoker.INSTANCE)
    }

    private Outcome interpret() {
        Outcome next = new Outcome(null, null)
        while (true) {
            Frame top = frames.last()
            Outcome reached = top.program.run0(next, Continuable.categories)
            if (top.program.resumable) {
                StepCall call = survive(reached.normal as StepCall)
                next = start(call)
                if (next != null) {
                    next = steps.turn(next, call)
                }
            } else {
                frames.pop()
                if (!frames) {
                    return reached
                }
                next = steps.ended(top, reached)
            }
            if (next == null) {
                next = new Outcome(null, null) // A block was opened: begin it.
            }
        }
    }

    /** Writes the suspended program out and continues with what can be read back. */
    private StepCall survive(StepCall call) {
        calls << call
        if (calls.size() % savedEvery != 0) {
            return call
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream()
        try {
            new ObjectOutputStream(bytes).withStream { it.writeObject([frames, call, scripts.WorkflowScript.binding.variables]) }
        } catch (NotSerializableException notSaved) {
            throw new UnsavedValue("step '$call.name' was called while the program held a value that cannot be saved: $notSaved.message")
        }
        List saved = new ObjectInputStreamWithLoader(new ByteArrayInputStream(bytes.toByteArray()), pipelineCompiler.classLoader).readObject() as List
        frames = saved[0]
        saved[1]
    }

    private Outcome start(StepCall call) {
        try {
            return steps.start(call)
        } catch (ForbiddenStep | UnsavedValue | AssertionError | CpsCallableInvocation fault) {
            throw fault
        } catch (Throwable thrown) {
            return new Outcome(null, thrown)
        }
    }

    /** Opens the block of a step on top of the running ones. */
    void open(Frame frame, Closure body) {
        try {
            body.call()
            throw new AssertionError("the body of $frame.call is not CPS-transformed" as Object)
        } catch (CpsCallableInvocation invocation) {
            frame.program = new Continuable(invocation.invoke(emptyEnv(), null, Continuation.HALT))
        }
        frames << frame
    }

    @Override
    String toString() {
        "steps ${calls*.name.join(', ')}\n${console.join('\n')}"
    }

    @Override
    void close() {
        home.deleteDir()
    }

    /** A step inside @NonCPS, or in a closure that plain Groovy calls. */
    static class ForbiddenStep extends Error {
        ForbiddenStep(String message) {
            super(message)
        }
    }

    /** A value across a step that a restart would lose. */
    static class UnsavedValue extends Error {
        UnsavedValue(String message) {
            super(message)
        }
    }
}
