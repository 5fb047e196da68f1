//! `codemagic share`: links with an expiry, and their QR codes.

use cibridge_simulator::Simulator;

use crate::support::{Call, simulator, started};

/// A finished build with an ipa and an apk, and a call that shares them.
fn share(sim: &Simulator, arguments: &str) -> Call {
    let id = started(sim);
    Call::to(sim, "codemagic wait").arg(&id).env("CIBRIDGE_POLL_INTERVAL", "20ms").run().exit_code(0);
    Call::to(sim, "codemagic share").arg(&id).args(arguments)
}

/// What a camera reads in rows of pixels.
fn read(rows: &[Vec<bool>]) -> String {
    let mut image = rqrr::PreparedImage::prepare_from_bitmap(rows[0].len(), rows.len(), |x, y| rows[y][x]);
    image.detect_grids().first().expect("a QR code").decode().expect("it can be read").1
}

/// The pixels of lines of block characters.
fn pixels_of_text(lines: &[&str]) -> Vec<Vec<bool>> {
    let row = |line: &str, half| line.chars().flat_map(|c| [c == '█' || c == half; 4]).collect::<Vec<_>>();
    lines.iter().flat_map(|line| [vec![row(line, '▀'); 4], vec![row(line, '▄'); 4]].concat()).collect()
}

/// The pixels of a PNG image.
fn pixels_of_image(path: &std::path::Path) -> Vec<Vec<bool>> {
    let file = std::io::BufReader::new(std::fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let width = usize::try_from(info.width).unwrap();
    let row = |row: &[u8]| (0..width).map(|x| row[x / 8] & (0x80 >> (x % 8)) == 0).collect();
    bytes.chunks(info.line_size).map(row).collect()
}

#[test]
fn a_link_is_a_qr_code_in_the_console_and_in_an_image() {
    let sim = simulator().start().unwrap();
    let call = share(&sim, "--match *.ipa --qr --qr-dir");
    let dir = call.folder().join("qr");
    let done = call.arg(&dir).run();
    done.exit_code(0);
    let url = done.stdout.trim_end().rsplit('\t').next().unwrap();
    let block: Vec<&str> = done.stderr.lines().filter(|line| line.starts_with("  ")).collect();
    assert_eq!(read(&pixels_of_text(&block)), url);
    let image = dir.join("Demo.ipa.png");
    assert_eq!(read(&pixels_of_image(&image)), url);
    assert_eq!(done.document()["links"][0]["qr_path"], image.to_str().unwrap());
}

#[test]
fn a_link_is_not_lost_when_its_image_cannot_be_saved() {
    let sim = simulator().start().unwrap();
    let call = share(&sim, "--match * --qr-dir");
    let dir = call.folder().join("qr");
    std::fs::create_dir_all(dir.join("Demo.ipa.png/in-the-way")).unwrap();
    let done = call.arg(&dir).run();
    done.exit_code(16).stderr_contains("cibridge: error: QR code ");
    assert_eq!(done.stdout.lines().count(), 2);
    assert_eq!(done.document()["links"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_folder_that_cannot_be_used_is_reported_before_a_link_is_made() {
    let sim = simulator().start().unwrap();
    let call = share(&sim, "--match *.ipa --qr-dir");
    let file = call.file("file", "");
    call.arg(file.join("qr")).run().exit_code(16).stdout_is("").stderr_contains("is not a folder");
}

#[test]
fn a_pattern_that_matches_nothing_gets_the_names_and_no_flag_that_share_lacks() {
    let sim = simulator().start().unwrap();
    share(&sim, "--match *.aab")
        .run()
        .exit_code(11)
        .stderr_contains("it has Demo.ipa (ipa)")
        .stderr_lacks("allow-none");
}
