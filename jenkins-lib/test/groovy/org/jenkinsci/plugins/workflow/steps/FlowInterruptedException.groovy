package org.jenkinsci.plugins.workflow.steps

/** Stands for the class of the same name in Pipeline: Step API, which an aborted step throws. */
class FlowInterruptedException extends InterruptedException {
    private static final long serialVersionUID = 1L

    FlowInterruptedException() {
        super('interrupted')
    }
}
