//! File names made from the names of artifacts. A build names its artifacts freely; no name may lead out of the folder,
//! hide the file, hit a device, look like a flag or change how a console shows it.

use std::collections::{HashMap, HashSet};

use unicode_normalization::char::{canonical_combining_class, decompose_canonical};

/// The longest file name, in bytes: below the 255 of common file systems, with room for a number.
const LONGEST: usize = 200;

/// Names that Windows gives to devices, whatever extension follows.
const DEVICES: [&str; 8] = ["con", "prn", "aux", "nul", "conin$", "conout$", "com", "lpt"];

/// The file name for an artifact called `name`: its last path component without what file systems, consoles or command
/// lines trip over. It is never empty and never begins with `.` or `-`.
pub fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).find(|part| !part.trim_matches([' ', '.']).is_empty()).unwrap_or_default();
    let visible: String = last
        .chars()
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .map(|c| if "<>:\"|?*".contains(c) { '_' } else { c })
        .collect();
    let visible = visible.trim_start_matches([' ', '.', '-']).trim_end_matches([' ', '.']);
    let name = shorten(visible);
    match name.as_str() {
        "" => "artifact".to_owned(),
        device if is_device(device) => format!("_{device}"),
        _ => name,
    }
}

/// File names for artifacts, each different from all others: the second `app.ipa` becomes `app-2.ipa`.
///
/// Names are equal if some file system takes them for the same: upper and lower case (macOS, Windows) and the Unicode
/// forms of a letter (macOS) do not count. Takes time linear in the number of names.
pub fn distinct_file_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<String> = names.map(file_name).collect();
    // No number may produce a name that another file has by itself.
    let own: HashSet<String> = names.iter().map(|name| folded(name)).collect();
    let mut taken = HashSet::new();
    let mut next_number: HashMap<String, u64> = HashMap::new();
    let distinct = |name: String| {
        let key = folded(&name);
        if taken.insert(key.clone()) {
            return name;
        }
        let number = next_number.entry(key).or_insert(2);
        loop {
            let (stem, extension) = split(&name);
            let candidate = format!("{stem}-{number}{extension}");
            *number += 1;
            let key = folded(&candidate);
            if !own.contains(&key) && taken.insert(key) {
                return candidate;
            }
        }
    };
    names.into_iter().map(distinct).collect()
}

/// The name as a file system that knows neither case nor Unicode forms sees it: in capital letters, because those of `ß`
/// and `ﬁ` are two, as in a full case folding, and letters apart from their marks, which are in canonical order.
fn folded(name: &str) -> String {
    let mut parts = Vec::with_capacity(name.len());
    for capital in name.chars().flat_map(char::to_uppercase) {
        decompose_canonical(capital, |part| parts.push(part));
    }
    for letter in parts.chunk_by_mut(|_, next| canonical_combining_class(*next) != 0) {
        letter.sort_by_key(|part| canonical_combining_class(*part));
    }
    parts.into_iter().collect()
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
    let end = stem.floor_char_boundary(LONGEST - extension.len());
    format!("{}{extension}", stem[..end].trim_end_matches([' ', '.']))
}

fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let bare = stem.trim_end_matches(|c: char| c.is_ascii_digit() || "¹²³".contains(c));
    let numbered = matches!(bare, "com" | "lpt");
    DEVICES.contains(&bare) && numbered == (stem.chars().count() == bare.chars().count() + 1)
}

/// Characters that turn text around, take no room or end a line for some programs (Unicode categories Cf, Zl, Zp).
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
            ("-rf", "rf"),
            ("--output=x.ipa", "output=x.ipa"),
            ("-. -", "artifact"),
            ("a\u{2028}b\u{ad}\u{e0041}.ipa", "ab.ipa"),
        ] {
            assert_eq!(file_name(name), file, "{name:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let long = file_name(&format!("{}.ipa", "ü".repeat(300)));
        assert!(long.len() <= LONGEST && long.ends_with("ü.ipa"), "{long}");
        assert!(file_name(&format!("a.{}", "b".repeat(500))).len() <= LONGEST);
    }

    #[test]
    fn equal_names_are_kept_apart() {
        let distinct = |names: &[&str]| distinct_file_names(names.iter().copied());
        assert_eq!(
            distinct(&["app.ipa", "App.ipa", "app.ipa", "app-2.ipa", "log", "log", "x.tar.gz", "x.tar.gz"]),
            ["app.ipa", "App-3.ipa", "app-4.ipa", "app-2.ipa", "log", "log-2", "x.tar.gz", "x.tar-2.gz"]
        );
    }

    #[test]
    fn names_that_some_file_system_takes_for_equal_are_kept_apart() {
        for (one, other) in [
            ("M\u{fc}ller", "Mu\u{308}ller"),
            ("STRASSE", "strasse"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{212b}", "\u{e5}"),
            ("\u{fb01}", "fi"),
            ("a\u{323}\u{307}", "a\u{307}\u{323}"),
            ("\u{1e69}", "s\u{307}\u{323}"),
        ] {
            let names = distinct_file_names([one, other].into_iter());
            assert_eq!(names[1], format!("{other}-2"), "{one} {other}");
        }
    }

    #[test]
    fn many_equal_names_take_linear_time() {
        let names = distinct_file_names(std::iter::repeat_n("app.ipa", 100_000));
        assert_eq!((names[0].as_str(), names[99_999].as_str()), ("app.ipa", "app-100000.ipa"));
    }
}
