//! Lists the Python child's files, so that a file added there cannot be forgotten here.

use std::{env, fs, path::Path};

fn main() {
    let source = Path::new("../children/python/ostler_child");
    println!("cargo::rerun-if-changed={}", source.display());
    let mut names: Vec<String> = fs::read_dir(source)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".py"))
        .collect();
    names.sort();
    let files: String = names
        .iter()
        .map(|name| {
            let path = format!("/../children/python/ostler_child/{name}");
            format!(
                "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),\n"
            )
        })
        .collect();
    let code = format!("pub(crate) const FILES: &[(&str, &str)] = &[\n{files}];\n");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    fs::write(Path::new(&out).join("child_files.rs"), code).expect("OUT_DIR is writable");
}
