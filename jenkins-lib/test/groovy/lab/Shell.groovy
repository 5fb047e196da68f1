package lab

/** One call of `sh` or `bat`: what it was given, and the two ways to answer it. */
class Shell {
    Jenkins jenkins
    String step
    String script
    Map<String, String> environment
    File folder

    /** What the script printed, for a step that returns it. */
    String output = ''

    /** Plays a program that prints this and succeeds. */
    int print(String text) {
        output = text
        0
    }

    /** Answers as the binary would: writes the result document and ends with its code. */
    int answer(Map document) {
        new File(environment.CIBRIDGE_RESULT_FILE).setText(groovy.json.JsonOutput.toJson(document), 'UTF-8')
        document.exit_code as int
    }

    /**
     * Runs the script for real, as the step does: `sh -xe`, or for `bat` the little of cmd that our texts use.
     * `started` gets the process, to end it.
     */
    int execute(Closure started = { }) {
        List<String> command
        File text = File.createTempFile('script', '.sh', jenkins.home)
        try {
            if (step == 'sh') {
                text.setText(script, 'UTF-8')
                command = ['sh', '-xe', text.path]
            } else {
                command = cmd()
            }
            ProcessBuilder builder = new ProcessBuilder(command).directory(folder)
            // One stream as in a console, but for what `bat` throws away.
            if (step == 'bat') {
                builder.redirectOutput(ProcessBuilder.Redirect.DISCARD)
            } else {
                builder.redirectErrorStream(true)
            }
            builder.environment().clear()
            builder.environment().putAll(environment)
            Process process
            try {
                process = builder.start()
            } catch (IOException missing) {
                jenkins.print("'${command[0]}' is not recognized as an internal or external command,")
                return 9009
            }
            process.outputStream.close()
            started(process)
            (step == 'bat' ? process.errorStream : process.inputStream).eachLine('UTF-8') { jenkins.print(it) }
            return process.waitFor()
        } finally {
            text.delete()
        }
    }

    /** Percent expansion, then quoted words; anything that cmd would give a meaning to is refused, but `>NUL` at the end. */
    private List<String> cmd() {
        assert script.startsWith('@') && script.endsWith(' >NUL')
        String text = script[1..-6]
        String expanded = text.replaceAll(/%(\w+)%/) { whole, name -> environment[name] ?: '' }
        List<String> words = expanded.findAll(/"[^"]*"|[^\s"]+/)*.replace('"', '')
        assert !(text.replaceAll(/"[^"]*"/, '') =~ /[&|<>^()!]/)
        words
    }
}
