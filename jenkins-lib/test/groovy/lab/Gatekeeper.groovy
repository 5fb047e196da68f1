package lab

import org.codehaus.groovy.runtime.GStringImpl
import org.codehaus.groovy.runtime.ScriptBytecodeAdapter
import org.kohsuke.groovy.sandbox.GroovyInterceptor

/**
 * The sandbox: permits what `permitted-calls.txt` lists, in the notation of Jenkins' script-security, and
 * refuses the rest. It sees real receivers and arguments, so a call is judged by what it is, not by its name.
 */
class Gatekeeper extends GroovyInterceptor {
    /** Methods of the script class itself that lead out of the sandbox. */
    private static final List<String> FORBIDDEN_ON_SCRIPTS = ['evaluate', 'run', 'getBinding', 'setBinding', 'getMetaClass', 'setMetaClass']
    /** Operators of numbers are no methods that a list could name; Jenkins permits them as well. */
    static final List<String> ARITHMETIC = ['plus', 'minus', 'multiply', 'div', 'intdiv', 'mod', 'compareTo']
    private static final Map<String, Class> PRIMITIVES = [int: Integer, long: Long, char: Character, boolean: Boolean]
    private static final Map<String, List<Map>> PERMITTED = read().groupBy { it.name }

    private static List<Map> read() {
        Gatekeeper.getResource('/permitted-calls.txt').readLines('UTF-8').findAll { it && !it.startsWith('#') }.collect { String line ->
            List<String> words = line.tokenize(' ')
            [line: line, kind: words[0], type: load(words[1]), name: words[0] == 'new' ? '<init>' : words[2],
             parameters: words.drop(words[0] == 'new' ? 2 : 3).collect { load(it) }]
        }
    }

    private static Class load(String name) {
        name.endsWith('[]') ? java.lang.reflect.Array.newInstance(load(name[0..-3]), 0).class : PRIMITIVES[name] ?: Class.forName(name)
    }

    static Set<String> getPermittedNames() {
        PERMITTED.keySet()
    }

    /** Lines of the list that some call was permitted by. */
    final Set<String> used = [] as Set

    private void judge(String kind, Object receiver, String name, Object[] arguments, Closure<Boolean> permits) {
        Map rule = PERMITTED[name]?.find(permits)
        if (rule == null) {
            String words = ([kind, typeName(receiver), name == '<init>' ? null : name] + arguments.collect { typeName(it) }).findAll().join(' ')
            throw new SecurityException("Scripts not permitted to use $words")
        }
        used << rule.line
    }

    private static boolean takes(List<Class> parameters, List arguments) {
        parameters.size() == arguments.size() && (0..<arguments.size()).every { arguments[it] == null || parameters[it].isAssignableFrom(arguments[it].getClass()) }
    }

    private static String typeName(Object value) {
        value instanceof Class ? value.name : value == null ? 'null' : value.getClass().name
    }

    /** A method of the receiver's own type, or one that Groovy adds to it. */
    private static boolean matches(Map rule, Object receiver, Object[] arguments) {
        rule.kind == 'method' && rule.type.isInstance(receiver) && takes(rule.parameters, Arrays.asList(arguments)) ||
            rule.kind == 'staticMethod' && rule.type.name.startsWith('org.codehaus.groovy.runtime.') && takes(rule.parameters, [receiver, *arguments])
    }

    @Override
    Object onMethodCall(GroovyInterceptor.Invoker next, Object receiver, String method, Object... arguments) {
        if (receiver instanceof PipelineScript) {
            if (FORBIDDEN_ON_SCRIPTS.contains(method)) {
                throw new SecurityException("Scripts not permitted to use $method of a script")
            }
            return super.onMethodCall(next, receiver, method, arguments)
        }
        if (receiver instanceof Number && ARITHMETIC.contains(method)) {
            return super.onMethodCall(next, receiver, method, arguments)
        }
        if (receiver instanceof Globals.Assignments || receiver instanceof Closure && method in ['call', 'doCall']) {
            return super.onMethodCall(next, receiver, method, arguments)
        }
        // Inside a closure a step is a method of the closure, which hands it on to the script.
        if (receiver instanceof Closure && (Steps.knows(method) || Steps.SYMBOLS.contains(method) || Jenkins.running().libraryVariable(method) || receiver.thisObject.metaClass.respondsTo(receiver.thisObject, method))) {
            return super.onMethodCall(next, receiver, method, arguments)
        }
        judge('method', receiver, method, arguments) { matches(it, receiver, arguments) }
        super.onMethodCall(next, receiver, method, arguments)
    }

    @Override
    Object onStaticCall(GroovyInterceptor.Invoker next, Class receiver, String method, Object... arguments) {
        if (PipelineScript.isAssignableFrom(receiver) || receiver == ScriptBytecodeAdapter && method == 'asType') {
            return super.onStaticCall(next, receiver, method, arguments)
        }
        judge('staticMethod', receiver, method, arguments) { it.kind == 'staticMethod' && it.type == receiver && takes(it.parameters, Arrays.asList(arguments)) }
        if (receiver == System && method == 'currentTimeMillis') {
            return Jenkins.running().now
        }
        super.onStaticCall(next, receiver, method, arguments)
    }

    @Override
    Object onNewInstance(GroovyInterceptor.Invoker next, Class receiver, Object... arguments) {
        if (PipelineScript.isAssignableFrom(receiver) || receiver == GStringImpl) {
            return super.onNewInstance(next, receiver, arguments)
        }
        judge('new', receiver, '<init>', arguments) { it.type == receiver && takes(it.parameters, Arrays.asList(arguments)) }
        super.onNewInstance(next, receiver, arguments)
    }

    @Override
    Object onGetProperty(GroovyInterceptor.Invoker next, Object receiver, String property) {
        if (receiver instanceof PipelineScript || receiver instanceof Closure || receiver instanceof Map ||
            receiver instanceof Globals.Env || receiver instanceof Globals.CurrentBuild || receiver instanceof Globals.Assignments) {
            return super.onGetProperty(next, receiver, property)
        }
        Object[] none = []
        judge('method', receiver, 'get' + property.capitalize(), none) { matches(it, receiver, none) }
        super.onGetProperty(next, receiver, property)
    }

    @Override
    Object onSetProperty(GroovyInterceptor.Invoker next, Object receiver, String property, Object value) {
        if (receiver instanceof PipelineScript || receiver instanceof Closure || receiver instanceof Map ||
            receiver instanceof Globals.Env || receiver instanceof Globals.CurrentBuild || receiver instanceof Globals.Assignments) {
            return super.onSetProperty(next, receiver, property, value)
        }
        throw new SecurityException("Scripts not permitted to set $property of ${typeName(receiver)}")
    }

    @Override
    Object onGetAttribute(GroovyInterceptor.Invoker next, Object receiver, String attribute) {
        throw new SecurityException("Scripts not permitted to read the field $attribute of ${typeName(receiver)}")
    }

    @Override
    Object onSetAttribute(GroovyInterceptor.Invoker next, Object receiver, String attribute, Object value) {
        throw new SecurityException("Scripts not permitted to set the field $attribute of ${typeName(receiver)}")
    }

    @Override
    Object onGetArray(GroovyInterceptor.Invoker next, Object receiver, Object index) {
        // As script-security does it: `env['NAME']` is a getAt that nobody permits.
        if (receiver instanceof Map || receiver instanceof List || receiver instanceof CharSequence) {
            return super.onGetArray(next, receiver, index)
        }
        throw new SecurityException("Scripts not permitted to index ${typeName(receiver)}")
    }

    @Override
    Object onSetArray(GroovyInterceptor.Invoker next, Object receiver, Object index, Object value) {
        if (receiver instanceof Map || receiver instanceof List) {
            return super.onSetArray(next, receiver, index, value)
        }
        throw new SecurityException("Scripts not permitted to index ${typeName(receiver)}")
    }
}
