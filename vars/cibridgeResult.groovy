// Internal: what the result document of the binary means to Jenkins: the map that the steps return, and whether
// the stage succeeds, is unstable or fails. Runs nothing. No Jenkinsfile calls it.

import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonException
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import groovy.xml.XmlUtil

/** The result document as plain maps, or null when there is none. */
@NonCPS
Map parse(String text) {
    if (!text?.trim()) {
        return null
    }
    try {
        Object document = new JsonSlurper().parseText(text)
        return document instanceof Map ? cibridgeArguments.plain(document) : null
    } catch (JsonException broken) {
        return null
    }
}

/** What the steps return: the few values that a pipeline asks for, and the whole document as `result`. */
@NonCPS
Map of(Map document) {
    Map build = document.build ?: [:]
    return [
        id       : build.id,
        url      : build.url ?: null,
        number   : build.number,
        outcome  : document.outcome,
        exitCode : document.exit_code,
        status   : build.status,
        commit   : build.commit,
        artifacts: document.artifacts ?: [],
        result   : document,
    ]
}

/** The same for a build of several that has no document because `failFast` ended it, or kept it from being started. */
@NonCPS
Map ofFailFast(String id, String outcome) {
    String words = outcome == 'canceled' ? 'canceled because another build failed' : 'not started because another build failed'
    return of([outcome: outcome, exit_code: outcome == 'canceled' ? 4 : null, severity: 0, call_failed: false, summary: words, build: [id: id]])
}

/** Ends the step: shows what is to be seen, and returns the result or makes the stage unstable or failed by it. */
Map endStep(Map invocation, Map result) {
    describe(invocation, result)
    List lines = linesToShow(invocation, result)
    for (int n = 0; n < lines.size(); n++) {
        echo(lines[n])
    }
    return judge(invocation, result)
}

/** Adds the page of the build to the description once, where that is wanted. A queue item's page does not last. */
void describe(Map invocation, Map result) {
    Object wanted = invocation.arguments.description
    if (!wanted || !result.url || result.id.startsWith('queue/')) {
        return
    }
    String before = currentBuild.description
    if (before?.contains(wanted == 'html' ? escaped(result.url) : result.url)) {
        return
    }
    String line = wanted == 'html' ? link(result) : "${result.result.build.title}: ${result.url}"
    currentBuild.description = before ? before + (wanted == 'html' ? '<br>' : '\n') + line : line
}

/** Links to artifacts as the step returns them. */
@NonCPS
List links(Map result) {
    List links = []
    for (Object link in (result.result.links ?: [])) {
        links << [name: link.name, type: link.type, url: link.url, expires: link.expires_at] + (link.qr_path ? [qrPath: link.qr_path] : [:])
    }
    return links
}

/** What a call was made to show: the request of a dry run, a list of artifacts, links. */
@NonCPS
List linesToShow(Map invocation, Map result) {
    List lines = []
    if (result.result.request) {
        lines << JsonOutput.prettyPrint(JsonOutput.toJson(result.result.request))
    }
    if (invocation.arguments.list) {
        for (Object artifact in result.artifacts) {
            String size = artifact.size == null ? '' : ", ${artifact.size} bytes"
            lines << "${artifact.name}: ${artifact.type ?: 'file'}${size}".toString()
        }
    }
    for (Object link in links(result)) {
        lines << "${link.name}: ${link.url} (until ${link.expires})".toString()
    }
    return lines
}

/** Returns a result, or makes the stage unstable or failed by it. */
Map judge(Map invocation, Map result) {
    if (result.exitCode == 0 || !propagates(invocation, result)) {
        return result
    }
    return fail(invocation, result, sentence(result))
}

/** Several results as one: the worst decides how the stage ends. */
Map judgeAll(Map invocation, List results) {
    Map worst = worst(results)
    Map all = [outcome: worst ? worst.outcome : 'success', exitCode: worst ? worst.exitCode : 0, builds: results]
    List bad = notSucceeded(results)
    if (!bad || !propagates(invocation, worst)) {
        return all
    }
    return fail(invocation, all, "${bad.size()} of ${results.size()} builds did not succeed: ${bad.join('; ')}")
}

Map fail(Map invocation, Map result, String why) {
    String message = "${invocation.step}: ${why}"
    if (result.outcome == 'unstable') {
        unstable(message)
        return result
    }
    error(message)
}

/** `propagate: false` is about what the remote build did; a call that failed itself fails the stage whatever it says. */
@NonCPS
boolean propagates(Map invocation, Map result) {
    return result.result.call_failed || invocation.arguments.propagate != false
}

@NonCPS
Map worst(List results) {
    Map worst = null
    for (Object result in results) {
        if (worst == null || result.result.severity > worst.result.severity) {
            worst = result
        }
    }
    return worst
}

@NonCPS
List notSucceeded(List results) {
    List bad = []
    int number = 0
    for (Object result in results) {
        number++
        if (result.exitCode != 0) {
            bad << "${number}: ${sentence(result)}".toString()
        }
    }
    return bad
}

/** How a call ended, in one line: the binary's own words. */
@NonCPS
String sentence(Map result) {
    String summary = result.result.summary
    String hint = result.result.error?.hint
    return hint ? "${summary}. Hint: ${hint}" : summary
}

/** The page of a build as a link, for controllers whose markup formatter shows HTML. */
@NonCPS
String link(Map result) {
    return "<a href=\"${escaped(result.url)}\">${escaped(result.result.build.title)}</a>"
}

@NonCPS
String escaped(String text) {
    return XmlUtil.escapeXml(text)
}

/** Why there is no result: the binary is missing, or ended without writing the document that belongs to its exit code. */
@NonCPS
String missing(String binary, boolean unix, int code, Map document, String node) {
    Map build = document?.build
    if (build?.id) {
        return "cibridge was killed (code ${code}). ${build.title} may still be running: ${build.url}"
    }
    if (document == null && (unix ? [127] : [9009, 3, 1]).contains(code)) {
        String version = cibridgeRun.requiredVersion()
        String releases = 'https://github.com/cibridge/cibridge/releases'
        String from = "${releases}/tag/v${version} (sums: ${releases}/download/v${version}/SHA256SUMS)"
        return "'${binary}' was not found on ${node} (code ${code}). Install cibridge ${version} there from ${from}, " +
            'or give its path with the argument binary or the environment variable CIBRIDGE_BIN.'
    }
    if (document == null && unix && code == 126) {
        return "'${binary}' on ${node} cannot be run (code 126): it is not executable, or made for another kind of machine."
    }
    return "cibridge ended with code ${code} and without a result; the reason is in the console above."
}
