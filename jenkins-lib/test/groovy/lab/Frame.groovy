package lab

import com.cloudbees.groovy.cps.Continuable

/** One running body: the pipeline itself, or the block of a step such as `withEnv`. */
class Frame implements Serializable {
    private static final long serialVersionUID = 1L

    /** The step that opened the block, or null for the pipeline itself. */
    StepCall call
    /** The rest of the program in this body. */
    Continuable program
    /** `NAME=value` entries this block adds, in the order of withEnv. */
    List<String> overrides = []
    /** True where an agent is allocated. */
    boolean agent
    /** The working folder, when this block sets one. */
    String folder
    /** Whatever else the step needs to remember until its block ends. */
    Map<String, Object> memory = [:]
}
