//! Lists the files of the children, so that one added there cannot be forgotten here: of each language that has a folder in
//! `src/runtime/`, what lies in `ostler_child/` of the folder of the same name below `children/`.

use std::{env, fmt::Write as _, fs, path::Path};

fn main() {
    let languages = Path::new("src/runtime");
    println!("cargo::rerun-if-changed={}", languages.display());
    let mut code = "const CHILDREN: &[(&str, &[(&str, &str)])] = &[\n".to_owned();
    for language in names(languages).iter().filter(|name| languages.join(name).is_dir()) {
        let child = Path::new("../children").join(language).join("ostler_child");
        println!("cargo::rerun-if-changed={}", child.display());
        let mut files = Vec::new();
        list(&child, "", &mut files);
        assert!(!files.is_empty(), "{} has no files: the child's own code", child.display());
        writeln!(code, "    ({language:?}, &[").expect("a String takes every write");
        for name in files {
            let path = format!("/{}/{name}", child.display());
            let text = format!("include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))");
            writeln!(code, "        ({name:?}, {text}),").expect("a String takes every write");
        }
        code.push_str("    ]),\n");
    }
    code.push_str("];\n");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    fs::write(Path::new(&out).join("children.rs"), code).expect("OUT_DIR is writable");
}

/// The files below a folder, but for what editors and interpreters leave there.
fn list(folder: &Path, before: &str, files: &mut Vec<String>) {
    for name in names(folder) {
        let path = folder.join(&name);
        let is_left = name.starts_with('.') || name.ends_with('~') || name == "__pycache__";
        if is_left {
            continue;
        }
        match path.is_dir() {
            true => list(&path, &format!("{before}{name}/"), files),
            false => files.push(format!("{before}{name}")),
        }
    }
}

/// What a folder has, in order; nothing when there is none.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}
