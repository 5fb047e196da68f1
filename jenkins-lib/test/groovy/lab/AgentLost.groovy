package lab

import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** What a block throws whose agent is gone: an interruption, that `retry` with `agent()` tells from an abort. */
class AgentLost extends FlowInterruptedException {
    private static final long serialVersionUID = 1L
}
