package lab

import groovy.json.JsonOutput
import groovy.json.JsonSlurper

/** The simulator of Codemagic as a process of its own, for tests that run the real binary. */
class Simulator implements Closeable {
    /** What the simulator says of itself: v3, legacy, key, app_id, … */
    final Map ready
    private final Process process
    private final File readyFile = File.createTempFile('simulator', '.json')

    /** A program that the tests cannot do without. */
    static String program(String variable, String what) {
        String path = System.getenv(variable) ?: System.getProperty(variable)
        if (!path || !new File(path).canExecute()) {
            throw new AssertionError("missing: $what. Set $variable to its path${path ? ", not to '$path'" : ''}; `make test` does." as Object)
        }
        new File(path).canonicalPath
    }

    static String getBinary() {
        program('CIBRIDGE_BIN', 'the cibridge binary (`make build`)')
    }

    Simulator(List<String> arguments = []) {
        String simulator = program('CIBRIDGE_SIMULATOR_BIN', 'the simulator (`make simulator`)')
        readyFile.delete()
        // It ends when this process does, whatever way that is: its standard input closes.
        process = new ProcessBuilder([simulator, '--ready-file', readyFile.path, '--exit-on-stdin-close'] + arguments)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD).redirectError(ProcessBuilder.Redirect.INHERIT).start()
        long end = System.nanoTime() + 20_000_000_000L
        while (!readyFile.exists()) {
            assert process.alive && System.nanoTime() < end: 'the simulator does not start'
            Thread.sleep(5)
        }
        ready = new JsonSlurper().parse(readyFile) as Map
    }

    /** A control request; returns the answer's JSON. */
    Map control(String method, String path, Object body = null) {
        HttpURLConnection connection = new URL("${ready.api}/_sim/$path").openConnection() as HttpURLConnection
        connection.requestMethod = method
        if (body != null) {
            connection.doOutput = true
            connection.outputStream.withStream { it << JsonOutput.toJson(body).getBytes('UTF-8') }
        }
        new JsonSlurper().parse(connection.inputStream, 'UTF-8') as Map
    }

    void reset() {
        control('POST', 'reset')
    }

    /** The next requests that match go wrong in this way. */
    void fault(Map fault) {
        control('POST', 'fault', fault)
    }

    List<Map> getRequests() {
        control('GET', 'requests').requests as List<Map>
    }

    List<Map> getBuilds() {
        control('GET', 'builds').builds as List<Map>
    }

    @Override
    void close() {
        process.outputStream.close()
        process.waitFor()
        readyFile.delete()
    }
}
