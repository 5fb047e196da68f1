//! What the README and the pages of the handbook say about verbs, flags, codes and documents, held against the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use cibridge_simulator::{JENKINS_TOKEN, JENKINS_USER, JenkinsConfig, JenkinsJob, JenkinsParameter, Plan};
use serde_json::Value;

use crate::support::{Call, binary, simulator};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page of the repository.
fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// Every page that describes the program.
fn pages() -> Vec<(String, String)> {
    let mut names = vec!["README.md".to_owned(), "jenkins-lib/README.md".to_owned()];
    for entry in fs::read_dir(root().join("jenkins-lib/docs")).unwrap() {
        names.push(format!("jenkins-lib/docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    }
    names.into_iter().map(|name| (name.clone(), page(&name))).collect()
}

fn help(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).arg("--help").env_clear().output().unwrap()
}

/// The verbs that a system's help lists.
fn verbs(system: &str) -> BTreeSet<String> {
    let output = help(&[system]);
    let text = String::from_utf8(output.stdout).unwrap();
    let list = text.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let words = names.filter_map(|line| line.split_whitespace().next().map(str::to_owned));
    words.filter(|verb| verb != "help").collect()
}

/// The verbs in the first column of the first table below a heading.
fn first_column(text: &str, heading: &str) -> BTreeSet<String> {
    let rows =
        text.split(heading).nth(1).unwrap().split("| --- | --- |\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let cells = rows.lines().map(|row| row.split('|').nth(1).unwrap());
    words(cells)
}

/// The first words of what stands in backticks.
fn words<'a>(cells: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(|name| name.split([' ', '…']).next().unwrap().to_owned()).collect()
}

#[test]
fn every_verb_is_on_the_page_of_the_command_line_and_the_page_names_no_other() {
    let text = page("jenkins-lib/docs/command-line.md");
    assert_eq!(first_column(&text, "## Codemagic\n"), verbs("codemagic"));
    assert_eq!(first_column(&text, "## Jenkins\n"), verbs("jenkins"));
}

#[test]
fn every_verb_is_in_the_readme_and_the_readme_names_no_other() {
    let text = page("README.md");
    let rows =
        text.split("`cibridge jenkins …` |\n| --- | --- | --- |\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for (column, system) in [(2, "codemagic"), (3, "jenkins")] {
        assert_eq!(words(rows.lines().map(|row| row.split('|').nth(column).unwrap())), verbs(system));
    }
}

#[test]
fn the_flags_that_the_pages_name_exist() {
    // Of other programs: cargo, sha256sum.
    let mut known: BTreeSet<String> =
        ["--help", "--locked", "--git", "--version", "--check", "--ignore-missing", "--parallel"]
            .map(str::to_owned)
            .into();
    for system in ["codemagic", "jenkins"] {
        for verb in verbs(system) {
            known.extend(flags(&String::from_utf8(help(&[system, &verb]).stdout).unwrap()));
        }
    }
    for name in [
        "README.md",
        "jenkins-lib/docs/command-line.md",
        "jenkins-lib/docs/exit-codes.md",
        "jenkins-lib/docs/behavior.md",
    ] {
        for flag in flags(&page(name)) {
            assert!(known.contains(&flag), "{name}: {flag}");
        }
    }
}

fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("--") && word.len() > 3).map(str::to_owned).collect()
}

#[test]
fn every_exit_code_of_the_help_is_in_its_table() {
    let text = page("jenkins-lib/docs/exit-codes.md");
    let rows = text.split("## Exit codes").nth(1).unwrap().split("##").next().unwrap();
    let codes = rows.lines().filter_map(|row| row.strip_prefix("| ")?.split(" |").next().map(str::to_owned));
    let listed: BTreeSet<_> = codes.flat_map(|cell| cell.split(" / ").map(str::to_owned).collect::<Vec<_>>()).collect();
    let help = String::from_utf8(help(&[]).stdout).unwrap();
    let shown = help.split("Exit codes:").nth(1).unwrap();
    let shown: BTreeSet<_> =
        shown.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty()).map(str::to_owned).collect();
    assert_eq!(listed.into_iter().filter(|code| code.parse::<u8>().is_ok()).collect::<BTreeSet<_>>(), shown);
}

#[test]
fn the_document_has_the_keys_that_it_shows() {
    let text = page("jenkins-lib/docs/exit-codes.md");
    let shown = text.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let shown: Value = serde_json::from_str(shown).unwrap();
    let sim = simulator().plan(cibridge_simulator::Plan::failing("Build ipa", "no\n")).start().unwrap();
    let done = Call::following(&sim, "--json").run();
    let real = done.exit_code(1).json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&shown), keys(&real));
    for part in ["build", "failure"] {
        assert_eq!(keys(&shown[part]), keys(&real[part]), "{part}");
    }
    assert_eq!(keys(&shown["steps"][0]), keys(&real["steps"][0]));
}

#[test]
fn the_make_rules_that_it_names_exist() {
    let makefile = page("Makefile");
    let text = page("README.md");
    for rule in ["demo", "test", "build", "install"] {
        assert!(text.contains(&format!("make {rule}")), "{rule}");
        assert!(makefile.contains(&format!("\n{rule}:")), "{rule}");
    }
}

/// The anchors of a page, as GitHub makes them of its headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_ascii_alphanumeric() || " -_".contains(*c);
    headings.map(|text| text.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let mut links = 0;
    let mut pages = pages();
    pages.extend(["CONTRIBUTING.md", "SECURITY.md", "src/README.md"].map(|name| (name.to_owned(), page(name))));
    for (name, text) in pages {
        let folder = root().join(&name).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { root().join(&name) } else { folder.join(path) };
            assert!(target.exists(), "{name}: {link}");
            assert!(
                anchor.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(anchor),
                "{name}: {link}"
            );
        }
    }
    assert!(links > 20, "{links}");
}

#[test]
fn the_readme_is_read_in_a_few_minutes() {
    assert!(page("README.md").lines().count() <= 120);
}

/// The blocks of one language on a page.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    page.split(start.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_file_of_a_release_that_a_page_names_is_one_that_make_dist_packs() {
    let makefile = page("Makefile");
    let released = makefile.lines().find_map(|line| line.strip_prefix("RELEASED     := ")).unwrap();
    let mut made = BTreeSet::new();
    for target in released.split(' ') {
        let name = format!("cibridge-{}-{target}", env!("CARGO_PKG_VERSION"));
        let archives: &[&str] = if target.contains("windows") { &["zip"] } else { &["tar.gz", "deb", "rpm"] };
        made.extend(archives.iter().chain(&["debug", "cdx.json"]).map(|end| format!("{name}.{end}")));
        // Of the folder in the archive.
        made.insert(name);
    }
    let prefix = concat!("cibridge-", env!("CARGO_PKG_VERSION"), "-");
    let mut seen = 0;
    for (page, text) in pages() {
        for (at, _) in text.match_indices(prefix) {
            let end = |c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c);
            let name = text[at..].split(end).next().unwrap().trim_end_matches('.');
            // Ansible puts the architecture into it.
            if name != prefix {
                seen += 1;
                assert!(made.contains(name), "{page}: {name}");
            }
        }
    }
    assert!(seen > 5, "{seen}");
}

#[test]
fn the_recipes_for_administrators_fit_the_library_and_the_release() {
    let install = page("jenkins-lib/docs/install.md");
    let library = page("vars/cibridgeRun.groovy");
    let configuration = blocks(&install, "yaml").into_iter().find(|text| text.contains("globalLibraries:")).unwrap();
    assert!(configuration.contains("- name: codemagic\n"), "the name in @Library('codemagic')");
    let ids: Vec<_> = configuration.lines().filter_map(|line| line.trim().strip_prefix("id: ")).collect();
    assert_eq!(ids, ["codemagic-api-key", "jenkins-api-token"]);
    for id in ids {
        assert!(library.contains(&format!("?: '{id}'")), "{id}");
    }

    let tool = blocks(&install, "yaml").into_iter().find(|text| text.starts_with("tool:")).unwrap();
    let value = |key: &str| tool.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap();
    assert_eq!(value("url: ").rsplit('/').next().unwrap().strip_suffix(".tar.gz"), Some(value("subdir: ")));
    let call = format!("\"${{tool '{}'}}/cibridge\"", value("- name: "));
    assert!(blocks(&install, "groovy").iter().any(|text| text.contains(&call)), "{call}");

    // The image of the binary, and where the binary is in it.
    let copy = blocks(&install, "dockerfile")[0].lines().find(|line| line.starts_with("COPY")).unwrap();
    let (image, path) = copy.strip_prefix("COPY --from=").unwrap().split_once(' ').unwrap();
    let image = image.strip_suffix(concat!(":", env!("CARGO_PKG_VERSION"))).unwrap();
    assert!(page(".ci/release/Containerfile").contains(path.split(' ').next().unwrap()), "{path}");
    assert!(page(".ci/release/agent.Containerfile").contains(&format!("FROM {image}:${{VERSION}} ")), "{image}");
    let repository = env!("CARGO_PKG_REPOSITORY").strip_prefix("https://github.com/").unwrap();
    assert_eq!(image, format!("ghcr.io/{repository}"));
    assert!(page(".github/workflows/release.yml").contains("image=ghcr.io/$GITHUB_REPOSITORY:"));
}

/// What runs the blocks of the pages that `BlocksSpec` (groovy, text, yaml) and `PagesSpec` (docs/steps.md) do not: a
/// test here, or a reason why nothing does. A block is known by its page and the beginning of its first line.
const BLOCKS: &[(&str, &str, &str)] = &[
    ("README.md", "make demo", "CI runs these rules"),
    ("README.md", "export CODEMAGIC_API_KEY", "run: the_commands_of_the_pages_run"),
    ("jenkins-lib/README.md", "exec cibridge", "run: the_commands_of_the_pages_run"),
    (
        "jenkins-lib/README.md",
        "curl -fsSL --remote-name-all",
        "needs the release; tests/dist/run.sh runs the script that it downloads",
    ),
    ("jenkins-lib/docs/install.md", "# Debian, Ubuntu", "needs the release; tests/dist/run.sh installs its packages"),
    ("jenkins-lib/docs/install.md", "$name =", "needs the release and Windows"),
    ("jenkins-lib/docs/install.md", "FROM jenkins/inbound-agent", "needs a registry of images"),
    ("jenkins-lib/docs/waiting.md", "sequenceDiagram", "a picture"),
    ("jenkins-lib/docs/exit-codes.md", "{\"schema\"", "run: the_document_has_the_keys_that_it_shows"),
    ("CONTRIBUTING.md", "make build", "CI runs these rules"),
];

/// The blocks of a page: language and text.
fn code_blocks(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                open = true;
                found.push((language.to_owned(), String::new()));
            }
            None if open => found.last_mut().unwrap().1.extend([line, "\n"]),
            None => {}
        }
    }
    found
}

#[test]
fn every_block_of_the_pages_is_run_or_has_a_reason() {
    let mut used = BTreeSet::new();
    let mut pages = pages();
    pages.extend(["CONTRIBUTING.md", "SECURITY.md"].map(|name| (name.to_owned(), page(name))));
    for (name, text) in pages {
        for (language, block) in code_blocks(&text) {
            if ["groovy", "text", "yaml"].contains(&language.as_str())
                && !["CONTRIBUTING.md", "SECURITY.md"].contains(&&*name)
            {
                continue;
            }
            let first = block.trim_start();
            let known = BLOCKS.iter().position(|(page, begin, _)| *page == name && first.starts_with(begin));
            let Some(known) = known else { panic!("{name}: nothing runs this {language} block:\n{block}") };
            used.insert(known);
        }
    }
    let idle: Vec<_> = (0..BLOCKS.len()).filter(|n| !used.contains(n)).map(|n| BLOCKS[n]).collect();
    assert!(idle.is_empty(), "no page has {idle:?}");
}

#[test]
fn the_commands_of_the_pages_run() {
    for (name, begin, by) in BLOCKS.iter().filter(|(_, _, by)| by.starts_with("run: the_commands")) {
        let found = code_blocks(&page(name)).into_iter().find(|(_, block)| block.trim_start().starts_with(begin));
        let (_, block) = found.unwrap_or_else(|| panic!("{name}: {begin}: {by}"));
        let job = JenkinsJob::pipeline("folder/deploy").parameter(JenkinsParameter::string("VERSION", ""));
        let sim = simulator().jenkins(JenkinsConfig::with_jobs([job])).start().unwrap();
        let given = [
            ("CODEMAGIC_API_KEY=…", format!("CODEMAGIC_API_KEY={}", sim.key())),
            ("https://ci.example.com", sim.jenkins_url().to_owned()),
            ("JENKINS_USER_ID=robot", format!("JENKINS_USER_ID={JENKINS_USER}")),
            ("JENKINS_API_TOKEN=…", format!("JENKINS_API_TOKEN={JENKINS_TOKEN}")),
        ];
        let script = given.iter().fold(block, |script, (shown, real)| script.replace(shown, real));
        let folder = tempfile::tempdir().unwrap();
        let programs = std::env::join_paths([folder.path(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        std::os::unix::fs::symlink(binary(), folder.path().join("cibridge")).unwrap();
        let done = Command::new("sh")
            .args(["-euc", &script])
            .env_clear()
            .env("PATH", programs)
            .env("CODEMAGIC_API_KEY", sim.key())
            .env("CODEMAGIC_API_URL", sim.v3_url())
            .env("CODEMAGIC_LEGACY_API_URL", sim.legacy_url())
            .env("CIBRIDGE_POLL_INTERVAL", "5ms")
            .current_dir(&folder)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{name}: {script}\n{stderr}");
        assert!(
            folder.path().join("Demo.ipa").exists() || folder.path().join("app/Demo.ipa").exists(),
            "{name}: {stderr}"
        );
    }
}

#[test]
fn every_picture_is_light_and_is_described() {
    let mut pictures = 0;
    for (name, text) in pages() {
        let folder = root().join(&name).parent().unwrap().to_owned();
        for (text, rest) in text.match_indices("![").map(|(at, _)| text[at + 2..].split_once("](").unwrap()) {
            let path = folder.join(rest.split(')').next().unwrap());
            let size = fs::metadata(&path).unwrap_or_else(|e| panic!("{name}: {}: {e}", path.display())).len();
            assert!(size < 150_000, "{}: {size} bytes", path.display());
            assert!(text.len() > 40, "{name}: {text:?} does not say what the picture shows");
            pictures += 1;
        }
    }
    assert!(pictures >= 7, "{pictures}");
}

/// A cast is made by hand (`make pictures`), and this test says when it is old: each line that it ends with is printed
/// by the program, where a run of the same plan differs in ids and times only.
#[test]
fn the_terminal_casts_show_what_the_program_prints() {
    let normalized = |line: &str| -> String {
        let number = |word| if str::contains(word, |c: char| c.is_ascii_digit()) { "N" } else { word };
        // `in under 1s`, `in 1s` and `in 1m 30s` are the same here.
        let mut words: Vec<_> = line.split_whitespace().filter(|word| *word != "under").map(number).collect();
        words.dedup();
        words.join(" ")
    };
    for (cast, plan, arguments) in [
        ("trigger.svg", "passing.json", "codemagic trigger --wait --console --artifacts *.ipa"),
        ("failed.svg", "failing.json", "codemagic trigger --wait"),
    ] {
        let images = root().join("jenkins-lib/images");
        let plan: Plan = serde_json::from_str(&fs::read_to_string(images.join(plan)).unwrap()).unwrap();
        let sim = simulator().plan(plan).start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let done = Command::new(binary())
            .args(arguments.split(' '))
            .env_clear()
            .env("CODEMAGIC_API_KEY", sim.key())
            .env("CODEMAGIC_API_URL", sim.v3_url())
            .env("CODEMAGIC_LEGACY_API_URL", sim.legacy_url())
            .env("CODEMAGIC_APP_ID", sim.app_id())
            .env("CODEMAGIC_WORKFLOW", "ios-release")
            .env("CODEMAGIC_BRANCH", "main")
            .env("CIBRIDGE_POLL_INTERVAL", "5ms")
            .current_dir(&folder)
            .output()
            .unwrap();
        let printed = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        let printed: BTreeSet<_> = printed.lines().map(normalized).collect();
        let picture = fs::read_to_string(images.join(cast)).unwrap();
        let shown =
            picture.lines().filter_map(|line| line.strip_prefix("<text ")?.split_once('>')?.1.strip_suffix("</text>"));
        let shown: Vec<String> = shown.map(text_of).collect();
        // Where the line of the status stays for a while, and where a poll of the recording came between two states.
        let own =
            |line: &String| !line.starts_with("$ ") && !line.starts_with("status: ") && !line.ends_with("\": started");
        let shown: Vec<_> = shown.into_iter().filter(own).collect();
        assert!(shown.len() > 10, "{cast}: {shown:?}");
        for line in shown {
            assert!(
                line == "$" || printed.contains(&normalized(&line)),
                "{cast} is old (make pictures): {line}\n{printed:#?}"
            );
        }
    }
}

/// The text of a line of SVG.
fn text_of(line: &str) -> String {
    let text: String = line.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
