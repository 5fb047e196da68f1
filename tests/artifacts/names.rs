//! Names of artifacts: whatever they are, each file lies in the folder, under a name of its own.

use std::fs;
use std::path::Path;

use cibridge_simulator::ArtifactPlan;
use serde_json::json;

use super::{call, files, holds, leaving, listed, with};

fn text(name: &str, text: &str) -> ArtifactPlan {
    ArtifactPlan::text(name, "glob_matched", text)
}

/// What the folder holds after artifacts with these names were fetched.
fn saved(names: &[&str]) -> Vec<String> {
    let (sim, id) = with(leaving(names.iter().map(|name| text(name, name))));
    let done = call(&sim, &id).run();
    done.exit_code(0);
    assert_eq!(listed(done.call.folder()), ["files", "result.json"], "nothing beside the folder\n{done}");
    let document = done.document();
    for (artifact, name) in document["artifacts"].as_array().unwrap().iter().zip(names) {
        assert_eq!(artifact["name"], *name, "the document keeps the name");
        let path = Path::new(artifact["path"].as_str().unwrap());
        assert_eq!(path.parent(), Some(files(&done.call).as_path()));
        assert_eq!(fs::read_to_string(path).unwrap(), *name, "each file is its own artifact");
    }
    listed(&files(&done.call))
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let names = [
        "../../../../../../tmp/up.txt",
        "..\\..\\back.txt",
        "/etc/absolute.txt",
        "C:\\Windows\\drive.txt",
        "build/outputs/deep.txt",
        "..",
        ".",
        "./../",
        ".hidden",
        "stream.txt:alternate",
    ];
    assert_eq!(
        saved(&names),
        [
            "absolute.txt",
            "artifact",
            "artifact-2",
            "artifact-3",
            "back.txt",
            "deep.txt",
            "drive.txt",
            "hidden",
            "stream.txt_alternate",
            "up.txt",
        ]
    );
}

#[test]
fn no_name_is_that_of_a_device() {
    assert_eq!(saved(&["CON", "nul.txt", "com1.log", "LPT9"]), ["_CON", "_LPT9", "_com1.log", "_nul.txt"]);
}

#[test]
fn no_name_steers_a_console() {
    let names =
        ["a\u{1b}]0;title\u{7}b.txt", "line\nfeed.txt", "nul\u{0}byte.txt", "right\u{202e}txt.exe", "del\u{7f}.txt"];
    assert_eq!(saved(&names), ["a]0;titleb.txt", "del.txt", "linefeed.txt", "nulbyte.txt", "righttxt.exe"]);
}

#[test]
fn equal_names_are_kept_apart() {
    let names = ["app.ipa", "app.ipa", "ios/app.ipa", "APP.ipa", "app-2.ipa"];
    assert_eq!(saved(&names[..3]), ["app-2.ipa", "app-3.ipa", "app.ipa"]);
    // A name that is somebody's own is not given to another one, and case does not tell names apart.
    let kept = saved(&["same.ipa", "same.ipa", "SAME.ipa", "same-2.ipa"]);
    assert_eq!(kept, ["SAME-4.ipa", "same-2.ipa", "same-3.ipa", "same.ipa"]);
}

#[test]
fn long_names_are_cut_and_keep_their_ending() {
    let long = format!("{}.ipa", "ü".repeat(200));
    let kept = saved(&[&long, &long]);
    assert!(
        kept.iter().all(|name| name.len() < 255 && Path::new(name).extension() == Some("ipa".as_ref())),
        "{kept:?}"
    );
    assert_eq!(kept.len(), 2);
}

/// The sums of the legacy API are found for artifacts that have the same name: by size, and by order.
#[test]
fn equal_names_keep_their_own_sums_and_links() {
    let twin = |size, seed| ArtifactPlan { seed, ..ArtifactPlan::of("app.ipa", "ipa", size) };
    let (sim, id) = with(leaving([twin(3000, 1), twin(2000, 2), twin(3000, 3)]));
    // Only the old links, with the key.
    sim.fault(cibridge_simulator::Fault::status(403).path("//artifacts/.").always());
    let done = call(&sim, &id).run();
    done.exit_code(0);
    holds(&done, &["app-2.ipa", "app-3.ipa", "app.ipa"]);
    let sums: Vec<_> = sim.build(&id).unwrap().artifacts.into_iter().map(|a| json!(a.md5)).collect();
    let document = done.document();
    for (n, file) in ["app.ipa", "app-2.ipa", "app-3.ipa"].into_iter().enumerate() {
        let bytes = fs::read(files(&done.call).join(file)).unwrap();
        assert_eq!(json!(super::md5(&bytes)), sums[n], "{file}");
        assert_eq!(document["artifacts"][n]["md5"], sums[n]);
    }
}

#[test]
fn a_file_that_is_there_is_replaced_and_others_stay() {
    let (sim, id) = with(leaving([text("app.txt", "new")]));
    let call = call(&sim, &id);
    fs::create_dir(files(&call)).unwrap();
    fs::write(files(&call).join("app.txt"), "old and longer").unwrap();
    fs::write(files(&call).join("mine.txt"), "mine").unwrap();
    std::os::unix::fs::symlink(call.folder().join("outside"), files(&call).join("link")).unwrap();
    let done = call.run();
    done.exit_code(0);
    holds(&done, &["app.txt", "link", "mine.txt"]);
    assert_eq!(fs::read_to_string(files(&done.call).join("app.txt")).unwrap(), "new");
}

/// A link in the workspace is replaced, not written through.
#[test]
fn a_link_in_the_folder_is_not_followed() {
    let (sim, id) = with(leaving([text("app.txt", "new")]));
    let call = call(&sim, &id);
    fs::create_dir(files(&call)).unwrap();
    let outside = call.file("outside", "precious");
    std::os::unix::fs::symlink(&outside, files(&call).join("app.txt")).unwrap();
    let done = call.run();
    done.exit_code(0);
    assert_eq!(fs::read_to_string(outside).unwrap(), "precious");
    assert!(fs::symlink_metadata(files(&done.call).join("app.txt")).unwrap().is_file());
}
