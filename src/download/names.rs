//! Names of artifacts made into names of files. A build names its artifacts freely; no name may lead out of the folder,
//! hide, hit a device or change how a console shows it.

/// The longest file name, in bytes: below the 255 of common file systems, with room for a number.
const LONGEST: usize = 200;

/// Names that Windows gives to devices, whatever extension follows.
const DEVICES: [&str; 8] = ["con", "prn", "aux", "nul", "conin$", "conout$", "com", "lpt"];

/// The file name for an artifact called `name`: its last path component without what file systems or consoles choke
/// on. It is never empty and never begins with a dot.
pub fn safe(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.trim_matches([' ', '.']).is_empty()).unwrap_or_default();
    let clean: String = last
        .chars()
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .map(|c| if "<>:\"|?*".contains(c) { '_' } else { c })
        .collect();
    let clean = shorten(clean.trim_matches([' ', '.']));
    match clean.as_str() {
        "" => "artifact".to_owned(),
        device if is_device(device) => format!("_{device}"),
        _ => clean,
    }
}

/// Makes each name one of its own: the second `app.ipa` becomes `app-2.ipa`. Case does not tell names apart, because
/// it does not on macOS and Windows.
pub fn distinct(names: &mut [String]) {
    // A name that is taken as it stands keeps its owner: no number may produce it.
    let wanted: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let mut taken = std::collections::HashSet::new();
    for name in names {
        let mut candidate = name.clone();
        let mut number = 1;
        while taken.contains(&candidate.to_lowercase()) || number > 1 && wanted.contains(&candidate.to_lowercase()) {
            number += 1;
            let (stem, extension) = split(name);
            candidate = format!("{stem}-{number}{extension}");
        }
        taken.insert(candidate.to_lowercase());
        *name = candidate;
    }
}

/// Stem and extension with its dot; a name without an extension is all stem.
fn split(name: &str) -> (&str, &str) {
    name.rfind('.').filter(|at| *at > 0).map_or((name, ""), |at| name.split_at(at))
}

fn shorten(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    let extension = if extension.len() > LONGEST / 2 { "" } else { extension };
    let mut end = LONGEST - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", stem[..end].trim_end_matches([' ', '.']))
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let bare = stem.trim_end_matches(|c: char| c.is_ascii_digit() || "¹²³".contains(c));
    let numbered = matches!(bare, "com" | "lpt");
    DEVICES.contains(&bare) && numbered == (stem.chars().count() == bare.chars().count() + 1)
}

/// Characters that turn text around or take no room.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_anywhere_else() {
        for (name, file) in [
            ("app.ipa", "app.ipa"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("/absolute", "absolute"),
            ("C:\\x\\app.apk", "app.apk"),
            ("C:app.apk", "C_app.apk"),
            ("a b/ü?.ipa", "ü_.ipa"),
            ("build/", "build"),
            (".", "artifact"),
            ("..", "artifact"),
            ("../..", "artifact"),
            ("", "artifact"),
            (".bashrc", "bashrc"),
            ("...hidden. .", "hidden"),
            ("a\u{0}b\nc\u{1b}[31m.txt", "abc[31m.txt"),
            ("name\u{202e}gpj.exe", "namegpj.exe"),
            ("CON", "_CON"),
            ("nul.txt", "_nul.txt"),
            ("Com1.log", "_Com1.log"),
            ("lpt²", "_lpt²"),
            ("com.example.app.apk", "com.example.app.apk"),
            ("com10.txt", "com10.txt"),
            ("console.log", "console.log"),
            ("file:stream", "file_stream"),
        ] {
            assert_eq!(safe(name), file, "{name:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let long = safe(&format!("{}.ipa", "ü".repeat(300)));
        assert!(long.len() <= LONGEST && long.ends_with("ü.ipa"), "{long}");
        assert!(safe(&format!("a.{}", "b".repeat(500))).len() <= LONGEST);
    }

    #[test]
    fn equal_names_are_kept_apart() {
        let mut names =
            ["app.ipa", "App.ipa", "app.ipa", "app-2.ipa", "log", "log", "x.tar.gz", "x.tar.gz"].map(str::to_owned);
        distinct(&mut names);
        assert_eq!(names, ["app.ipa", "App-3.ipa", "app-4.ipa", "app-2.ipa", "log", "log-2", "x.tar.gz", "x.tar-2.gz"]);
    }
}
