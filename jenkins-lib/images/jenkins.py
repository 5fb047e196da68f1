"""Pictures of a real Jenkins, taken with headless Chromium.

The Jenkins needs the library under the name `codemagic`, `cibridge` on the PATH of its agents, and must run on this
machine, because its builds talk to a simulator on loopback. The job `mobile-app` is made anew; nothing else is saved.

    JENKINS_URL=http://localhost:8080 JENKINS_USER=… JENKINS_PASSWORD=… python3 jenkins-lib/images/jenkins.py [PICTURE…]

`SIMULATOR` names the simulator, `CHROMIUM` the browser (Debian: apt-get install chromium), `SPEED` how much faster than
real the builds are (default 1). Needs Python 3, playwright and pillow (requirements.txt).
"""

import io
import os
import re
import shutil
import sys
import time
from html import escape

from PIL import Image
from playwright.sync_api import sync_playwright

from simulated import HERE, codemagic

JENKINS = os.environ["JENKINS_URL"].rstrip("/")
SPEED = float(os.environ.get("SPEED", "1"))
JOB = "mobile-app"
REPOSITORY = "https://github.com/cibridge/cibridge.git"
PIPELINE = """@Library('codemagic') _

pipeline {
    agent any
    stages {
        stage('Web') { steps { echo 'built' } }
        stage('Mobile app') {
            steps {
                triggerCodemagic wait: true, artifacts: '*.ipa', artifactsDir: 'app', junit: 'tests/codemagic.xml', description: true
            }
        }
        stage('Release') { steps { echo 'released' } }
    }
    post {
        always {
            junit testResults: 'tests/codemagic.xml', allowEmptyResults: true
            archiveArtifacts artifacts: 'app/*', allowEmptyArchive: true, fingerprint: true
        }
    }
}
"""


class Browser:
    """A signed-in browser."""

    def __init__(self, playwright):
        self.chromium = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"), args=["--no-sandbox"]
        )
        self.page = self.chromium.new_page(
            viewport={"width": 1000, "height": 800}, device_scale_factor=2, color_scheme="light", locale="en-US"
        )
        self.page.route(lambda address: address.startswith(JENKINS) and "/static/" not in address, self.neutral)
        self.open("/login")
        self.page.fill("#j_username", os.environ["JENKINS_USER"])
        self.page.fill("#j_password", os.environ["JENKINS_PASSWORD"])
        self.page.click("button[name=Submit]")
        self.settle()
        crumb = self.get("/crumbIssuer/api/json").json()
        self.crumb = {crumb["crumbRequestField"]: crumb["crumb"]}

    def settle(self):
        """Waits until a page is at rest: Jenkins builds its forms with scripts."""
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_timeout(1500)

    def open(self, path):
        self.page.goto(JENKINS + path)
        self.settle()

    def get(self, path):
        return self.page.request.get(JENKINS + path)

    def post(self, path, **data):
        answer = self.page.request.post(JENKINS + path, headers=self.crumb | data.pop("headers", {}), **data)
        if not answer.ok:
            raise RuntimeError(f"POST {path}: HTTP {answer.status}")

    def run(self, plan, result):
        """Builds the job once, as the plan says, and gives its number."""
        with codemagic(plan, SPEED) as environment:
            variables = {"CIBRIDGE_POLL_INTERVAL": "1s"} | environment
            lines = "".join(f"\n        {name} = '{value}'" for name, value in variables.items())
            script = PIPELINE.replace("    agent any\n", "    agent any\n    environment {" + lines + "\n    }\n")
            number = self.get(f"/job/{JOB}/api/json").json()["nextBuildNumber"]
            self.configure(script)
            self.post(f"/job/{JOB}/build")
            while True:
                answer = self.get(f"/job/{JOB}/{number}/api/json")
                if answer.ok and not answer.json()["building"]:
                    if answer.json()["result"] != result:
                        raise RuntimeError(f"{JENKINS}/job/{JOB}/{number}/: {answer.json()['result']}, expected {result}")
                    return number
                time.sleep(0.5)

    def configure(self, script):
        definition = "org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition"
        config = (
            f"<flow-definition plugin='workflow-job'><definition class='{definition}' plugin='workflow-cps'>"
            f"<script>{escape(script)}</script><sandbox>true</sandbox></definition></flow-definition>"
        )
        exists = self.get(f"/job/{JOB}/api/json").ok
        path = f"/job/{JOB}/config.xml" if exists else f"/createItem?name={JOB}"
        self.post(path, data=config.encode(), headers={"Content-Type": "application/xml"})

    def neutral(self, route):
        """Passes a page on without the paths of this machine and the address that the library was loaded from."""
        answer = route.fetch()
        if "image" in answer.headers.get("content-type", ""):
            return route.fulfill(response=answer)
        text = re.sub(r"(/[\w.@-]+)+/workspace/", "/home/jenkins/workspace/", answer.text())
        text = re.sub(r"file:/[\w./-]+", REPOSITORY, text)
        route.fulfill(response=answer, body=text)

    def save(self, name, clip, header=False):
        """Writes a part of the page, with few colors: a screen has not many."""
        if not header:
            # What scrolls along would cover the form.
            self.page.add_style_tag(content=".page-header,.jenkins-header,#page-header,#bottom-sticker{display:none!important}")
            self.page.wait_for_timeout(300)
        if not isinstance(clip, dict):
            clip = clip.evaluate(
                "e => { let b = e.getBoundingClientRect();"
                " return {x: b.x + scrollX - 12, y: b.y + scrollY - 12, width: b.width + 24, height: b.height + 24} }"
            )
        clip = {key: max(0, value) for key, value in clip.items()}
        picture = Image.open(io.BytesIO(self.page.screenshot(full_page=True, clip=clip))).convert("RGB")
        picture.quantize(96, dither=Image.Dither.NONE).save(HERE / name, optimize=True)
        print(f"{name}: {(HERE / name).stat().st_size} bytes, {picture.width // 2} x {picture.height // 2}")

    def top(self, last):
        """The page from its head to the end of an element."""
        end = last.evaluate("e => e.getBoundingClientRect().bottom + scrollY")
        return {"x": 0, "y": 0, "width": self.page.evaluate("document.documentElement.clientWidth"), "height": end + 16}


def stage(browser):
    """The stages of the failed build, and the sentence of the one that failed."""
    browser.open(f"/job/{JOB}/{browser.failed}/pipeline-overview/")
    sentence = browser.page.get_by_text("exited with status code").last
    sentence.wait_for()
    browser.page.add_style_tag(content="[class*=scroll-to]{display:none!important}")
    browser.save("stage.png", browser.top(sentence), header=True)


def build(browser):
    """Test results and artifacts on the page of a build."""
    browser.open(f"/job/{JOB}/{browser.passed}/")
    browser.save("build.png", browser.top(browser.page.get_by_text("No changes.")), header=True)


def help_page(browser):
    """What Jenkins shows below Pipeline Syntax > Global Variables Reference."""
    browser.open(f"/job/{JOB}/pipeline-syntax/globals")
    title = browser.page.get_by_text("triggerCodemagic", exact=True).first
    title.scroll_into_view_if_needed()
    place = title.evaluate("e => { let b = e.getBoundingClientRect(); return {x: b.x + scrollX - 12, y: b.y + scrollY - 12} }")
    width = browser.page.evaluate("document.documentElement.clientWidth") - place["x"]
    browser.save("help.png", place | {"width": width, "height": 700}, header=True)


def credential(browser):
    """The form of the credential."""
    page = browser.page
    browser.open("/manage/credentials/store/system/domain/_/newCredentials")
    page.locator("#main-panel select").first.select_option(label="Secret text")
    browser.settle()
    page.locator("input[name='_.secret']:visible").fill("an API token of Codemagic")
    page.locator("input[name='_.id']:visible").fill("codemagic-api-key")
    browser.save("credential.png", browser.top(page.locator("input[name='_.description']:visible")), header=True)


def library(browser):
    """The form of the library, filled in beside those that are there already; the page is never saved."""
    page = browser.page
    page.route("**/checkRemote*", lambda route: route.fulfill(body="<div/>", content_type="text/html"))
    browser.open("/manage/configure")
    section = page.get_by_text("Global Trusted Pipeline Libraries", exact=True).locator("xpath=ancestor::section[1]")
    section.locator("button.repeatable-add").last.click()
    browser.settle()
    form = section.locator(".repeated-chunk", has=page.locator("input[name='_.defaultVersion']")).last
    form.locator("input[name='_.name']").fill("codemagic")
    form.locator("input[name='_.defaultVersion']").fill("v0.1.0")
    form.locator("input[name='_.remote']").fill(REPOSITORY)
    browser.settle()
    browser.save("library.png", form)


PICTURES = {"stage": stage, "build": build, "help": help_page, "credential": credential, "library": library}


def main():
    chosen = sys.argv[1:] or list(PICTURES)
    with sync_playwright() as playwright:
        browser = Browser(playwright)
        if {"stage", "build", "help"} & set(chosen):
            if browser.get(f"/job/{JOB}/api/json").ok:
                browser.post(f"/job/{JOB}/doDelete")
            browser.configure(PIPELINE)
            browser.passed = browser.run("passing.json", "SUCCESS")
            browser.failed = browser.run("failing.json", "FAILURE")
        for name in chosen:
            PICTURES[name](browser)


if __name__ == "__main__":
    main()
