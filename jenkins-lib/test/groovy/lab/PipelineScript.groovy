package lab

import com.cloudbees.groovy.cps.Continuable
import org.codehaus.groovy.runtime.InvokerHelper

/** Base class of pipelines and library files, as CpsScript is in Jenkins. */
abstract class PipelineScript extends Script implements Serializable {
    private static final long serialVersionUID = 1L

    @Override
    Object invokeMethod(String name, Object args) {
        Jenkins jenkins = Jenkins.running()
        Object[] given = args instanceof Object[] ? args : [args] as Object[]
        Object variable = getBinding().hasVariable(name) ? getBinding().getVariable(name) : jenkins.libraryVariable(name)
        if (variable != null && InvokerHelper.getMetaClass(variable).respondsTo(variable, 'call', given)) {
            return InvokerHelper.getMetaClass(variable).invokeMethod(variable, 'call', given)
        }
        if (variable instanceof PipelineScript) {
            throw new MissingMethodException('call', variable.class, given)
        }
        if (Steps.SYMBOLS.contains(name) || name == 'agent' && !given) {
            return [symbol: name] + (given ? given[0] : [:])
        }
        if (!Steps.knows(name)) {
            throw new NoSuchMethodError("No such DSL method '$name' found among steps")
        }
        // In Jenkins some steps end at once and would do no harm where CPS forbids a step; here every step suspends.
        return Continuable.suspend(name, new StepCall(name, given))
    }

    @Override
    Object getProperty(String name) {
        try {
            return super.getProperty(name)
        } catch (MissingPropertyException missing) {
            Jenkins jenkins = Jenkins.running()
            Object found = jenkins.globalVariable(name) ?: jenkins.libraryVariable(name) ?: jenkins.environmentNow()[name]
            if (found == null) {
                throw missing
            }
            return found
        }
    }

    /** Without this the sleep of Groovy itself would run. */
    Object sleep(long time) {
        invokeMethod('sleep', [time] as Object[])
    }

    protected Object writeReplace() {
        new Reference(name: getClass().name)
    }

    /** Files are found again by name, as Jenkins does for a library: their fields are not kept. */
    static class Reference implements Serializable {
        private static final long serialVersionUID = 1L
        String name

        protected Object readResolve() {
            Jenkins.running().scripts[name]
        }
    }
}
