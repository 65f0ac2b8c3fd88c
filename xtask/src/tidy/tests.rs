use std::collections::{BTreeMap, BTreeSet};

use super::{
    Finding, Source, catalogue, fields, folders, languages,
    layers::{Member, Metadata, check_layers, check_purity},
    links, manifests, private, pure, size,
};

fn said(findings: impl IntoIterator<Item = Finding>) -> Vec<String> {
    findings.into_iter().map(|finding| finding.to_string()).collect()
}

fn edges(list: &[(&str, &[&str])]) -> BTreeMap<String, BTreeSet<String>> {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    list.iter().map(|(from, to)| ((*from).to_owned(), names(to))).collect()
}

fn member(name: &str, text: &str) -> Member {
    let manifest = format!("{}/Cargo.toml", name.trim_start_matches("ostler-"));
    Member { name: name.into(), manifest, text: text.into() }
}

#[test]
fn an_edge_against_the_layers_is_named_with_its_line() {
    let metadata = Metadata {
        members: vec![
            member("ostler-gateway", "[dependencies]\nostler-job = 1\nostler-runner = 1\n"),
            member("ostler-job", ""),
            member("ostler-runner", ""),
        ],
        stated: edges(&[("ostler-gateway", &["ostler-job", "ostler-runner", "tokio"])]),
        resolved: BTreeMap::new(),
    };
    let said = said(check_layers(&metadata));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0]
            .starts_with("gateway/Cargo.toml:3: ostler-gateway may not depend on ostler-runner:"),
        "{said:?}"
    );
}

#[test]
fn a_member_without_a_layer_is_named() {
    let metadata = Metadata { members: vec![member("ostler-utils", "")], ..Metadata::default() };
    assert!(said(check_layers(&metadata))[0].contains("ostler-utils has no layer"));
}

#[test]
fn a_pure_crate_that_reaches_tokio_through_another_is_named_with_the_way() {
    let metadata = Metadata {
        members: vec![
            member("ostler-wire", "[dependencies]\nbytes = 1\n"),
            member("ostler-runner", ""),
        ],
        stated: BTreeMap::new(),
        resolved: edges(&[
            ("ostler-wire", &["bytes", "memchr"]),
            ("bytes", &["codec"]),
            ("codec", &["tokio", "bytes"]),
            ("ostler-runner", &["tokio"]),
        ]),
    };
    let said = said(check_purity(&metadata));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("wire/Cargo.toml:2: "), "{said:?}");
    assert!(said[0].contains("ostler-wire -> bytes -> codec -> tokio"), "{said:?}");
}

#[test]
fn a_member_that_does_not_inherit_the_lints_is_named() {
    let sources = [
        Source::new("Cargo.toml", "members = [\"job\", \"wire\"]\n"),
        Source::new("job/Cargo.toml", "[lints]\nworkspace = true\n"),
        Source::new("wire/Cargo.toml", "[package]\n[lints.rust]\nx = 1\n"),
    ];
    let said = said(manifests::check(&sources));
    assert_eq!(said, ["wire/Cargo.toml:2: inherit the lints: `[lints]` with `workspace = true`"]);
}

#[test]
fn a_long_file_is_named_and_its_tests_do_not_count() {
    let code = "x\n".repeat(400);
    let with_tests = format!("{code}#[cfg(test)]\nmod tests {{\n{}}}\n", "x\n".repeat(300));
    assert_eq!(size::check(&Source::new("job/src/a.rs", &with_tests)), None);
    let longer = Source::new("children/python/a.py", &format!("{code}x\n"));
    assert!(
        said(size::check(&longer))[0]
            .starts_with("children/python/a.py:401: 401 lines, at most 400")
    );
    let tests = |lines: usize| size::check(&Source::new("job/src/tests.rs", &"x\n".repeat(lines)));
    assert!(tests(600).is_none() && tests(601).is_some());
    assert_eq!(size::check(&Source::new("docs/a.md", &code.repeat(9))), None);
}

#[test]
fn a_pure_crate_may_not_use_a_clock_a_socket_or_a_file() {
    let text = "// Instant::now is not for us\nuse std::net::TcpStream;\nuse std::{\n    collections::BTreeMap,\n    fs,\n};\n\
                let profs = Instant::now();\nlet fs = 1;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
    let source = Source::new("wire/src/a.rs", text);
    assert!(
        pure::is_pure(&source.path)
            && !pure::is_pure("runner/src/a.rs")
            && !pure::is_pure("wire/tests/a.rs")
    );
    let said = said(pure::check(&source));
    assert_eq!(said.len(), 3, "{said:?}");
    for (said, start) in
        said.iter().zip(["wire/src/a.rs:2: ", "wire/src/a.rs:5: ", "wire/src/a.rs:7: "])
    {
        assert!(said.starts_with(start), "{said}");
    }
}

#[test]
fn dead_links_and_paths_are_named() {
    let text = "See [a](CONFIG.md#keys), [b](../wire/src/gone.rs) and [c](https://example.org/x).\n\
                `wire/src/lib.rs`, `docs/GONE.md`, `text/plain`, `a b/c`, `NOT_THERE.md` and `tests/<name>`.\n\
                ```\n[d](gone.md) `docs/gone.md`\n```\n";
    let there = ["docs/CONFIG.md", "wire/src/lib.rs"];
    let roots = BTreeSet::from(["docs", "wire", "tests"]);
    let document = Source::new("docs/A.md", text);
    let said = said(links::check(&document, &roots, |path| there.contains(&path)));
    assert_eq!(
        said,
        [
            "docs/A.md:1: the link leads nowhere: make wire/src/gone.rs, or mend the link",
            "docs/A.md:2: `docs/GONE.md` does not exist: name what does",
            "docs/A.md:2: `NOT_THERE.md` does not exist: name what does",
        ]
    );
}

#[test]
fn a_dead_path_is_named_in_every_crate_and_in_a_folder_that_is_gone() {
    let sources = [Source::new("store/src/lib.rs", ""), Source::new("shell-module/Cargo.toml", "")];
    let roots = links::roots(&sources);
    let text = "`store/src/gone.rs`, `shell-module/src/gone/`, `renamed/src/lib.rs`, `.ci/run` and `text/plain`.\n";
    let said = said(links::check(&Source::new("CONTRIBUTING.md", text), &roots, |_| false));
    let dead = ["store/src/gone.rs", "shell-module/src/gone/", "renamed/src/lib.rs", ".ci/run"];
    let told =
        dead.map(|path| format!("CONTRIBUTING.md:1: `{path}` does not exist: name what does"));
    assert_eq!(said, told);
    for path in ["README.md", "CONTRIBUTING.md", "docs/DESIGN.md"] {
        assert!(links::is_checked(path), "{path}");
    }
    assert!(!links::is_checked("examples/hello/README.md") && !links::is_checked("docs/a.txt"));
}

#[test]
fn a_readme_that_asks_for_another_rust_is_named() {
    let of = |readme: &str| {
        let root = "members = []\nrust-version = \"1.89\"\n";
        let sources = [Source::new("Cargo.toml", root), Source::new("README.md", readme)];
        said(manifests::check(&sources))
    };
    assert!(of("You need Rust 1.89 or newer.").is_empty());
    let told = ["README.md:1: say \"Rust 1.89 or newer\": Cargo.toml declares it"];
    assert_eq!(of("You need Rust 1.85 or newer."), told);
}

#[test]
fn a_metric_that_any_crate_names_outside_of_the_table_is_named() {
    let of = |path: &str| {
        said(catalogue::check(&[Source::new(
            path,
            "let x = (\"ostler_new_total\", \"Ostler_\");\n",
        )]))
    };
    for path in ["gateway/src/jobs/metrics.rs", "store/src/figures.rs", "runner/src/a/b.rs"] {
        let told = format!(
            "{path}:1: metric ostler_new_total is named here: declare it in metrics/src/catalogue.rs alone"
        );
        assert_eq!(of(path), [told]);
    }
    for free in [
        "metrics/src/catalogue.rs",
        "tests/it/observe.rs",
        "gateway/src/metrics_tests.rs",
        "xtask/src/tidy/mod.rs",
    ] {
        assert!(of(free).is_empty(), "{free}");
    }
}

#[test]
fn a_metric_that_nobody_counts_is_named() {
    let table = "    NEW = C, \"ostler_new_total\" [app] \"News.\";\n    OLD = H(B), \"ostler_old\" [] \"Olds.\";\n";
    let of = |path: &str, code: &str| {
        let sources = [Source::new("metrics/src/catalogue.rs", table), Source::new(path, code)];
        said(catalogue::check(&sources))
    };
    let both = "new: catalogue::NEW.counters(r), old: catalogue::OLD.histogram(r),\n";
    assert!(of("pool/src/x.rs", both).is_empty());
    let told = "metrics/src/catalogue.rs:1: metric NEW is never counted: take it from catalogue::NEW, or delete it";
    assert_eq!(of("pool/src/x.rs", "catalogue::NEWER catalogue::OLD\n"), [told]);
    assert_eq!(of("tests/it/x.rs", both).len(), 2);
    assert_eq!(of("pool/src/x.rs", &format!("#[cfg(test)]\nmod tests {{\n{both}")).len(), 2);
}

#[test]
fn names_that_the_documents_lack_are_named() {
    let sources = [
        Source::new("wire/src/kind.rs", "    Req = 0x01,\n    Rsp = 0x02,\n    ClientGone = 1,\n"),
        Source::new("docs/WIRE.md", "| `0x01` | `REQ` |\n| `1` | `CLIENT_GONE` |\nRSP is 0x02\n"),
        Source::new("job/src/termination.rs", "    Ok => \"ok\",\n    Lost => \"lost\",\n"),
        Source::new("docs/OPERATIONS.md", "`ok`\n"),
    ];
    let said = said(catalogue::check(&sources));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("wire/src/kind.rs:2: Rsp is not in docs/WIRE.md"));
    assert!(said[1].starts_with("job/src/termination.rs:2: termination lost"));
}

#[test]
fn files_that_are_made_by_hand_are_named() {
    let text = "fn a() { fs::write(p, b\"\"); }\nlet f = (File::open(p), SpoolFile::create(p));\nfs::create_dir_all(p)\n\
                #[cfg(test)]\nmod tests {\nfn b() { fs::write(p, b\"\"); }\n}\n";
    let of = |path: &str| said(private::check(&Source::new(path, text)));
    let cure = "leaves the mode to chance; make it with ostler-private";
    let nameless = "has errors that name no file; ostler-private has it with names";
    let made = |path: &str| {
        [format!("{path}:1: fs::write( {cure}"), format!("{path}:3: create_dir {cure}")]
    };
    assert_eq!(of("runner/src/a.rs"), made("runner/src/a.rs"));
    let mut told = made("store/src/a.rs").to_vec();
    told.insert(1, format!("store/src/a.rs:2: File::open( {nameless}"));
    assert_eq!(of("store/src/a.rs"), told);
    for free in [
        "store/src/tests.rs",
        "tests/it/a.rs",
        "private/src/file.rs",
        "store/Cargo.toml",
        "cli/src/verb/man.rs",
    ] {
        assert!(of(free).is_empty(), "{free}");
    }
}

#[test]
fn fields_of_the_wire_that_are_spelled_outside_it_are_named() {
    let keys = "const APP: &str = \":app\";\nconst ROOT: &str = \"root\";\n";
    let text = "// \":app\"\nf.put(b\":made_up\", x);\nlet a = (\"a:b\", \": \", \":A\");\n\
                let fields = [(\":app\", \"shop\")];\nuse ostler_wire::Fields;\nf.text(\"root\");\nm.get(\"root\");\n\
                #[cfg(test)]\nmod tests {\nf.put(b\":app\", x);\n}\n";
    let of = |path: &str, text: &str| {
        let keys = Source::new("wire/src/message/key.rs", keys);
        said(fields::check(&[keys, Source::new(path, text)]))
    };
    let cure = "is spelled here: use its message of ostler_wire::message, or make one there";
    let told = |path: &str| {
        [(2, ":made_up"), (4, ":app"), (6, "root")]
            .map(|(line, name)| format!("{path}:{line}: the field {name} {cure}"))
    };
    assert_eq!(of("gateway/src/a.rs", text), told("gateway/src/a.rs"));
    assert_eq!(of("wire/src/a.rs", text), told("wire/src/a.rs"));
    let free = text.replace("use ostler_wire::Fields", "");
    assert_eq!(of("cli/src/a.rs", &free).len(), 2, "it is no field there");
    for path in ["tests/it/a.rs", "gateway/src/jobs/tests/a.rs", "wire/examples/a.rs"] {
        assert!(of(path, text).is_empty(), "{path}");
    }
}

#[test]
fn imports_upwards_within_a_crate_are_named() {
    let head =
        "pub use link::{self, Link as Way, remote::{Dial, Dialled}};\npub use agent::Agent;\n";
    let of = |path: &str, text: &str| {
        let head = Source::new("runner/src/lib.rs", head);
        said(folders::check(&[head, Source::new(path, text)]))
    };
    let cure = |own: &str, module: &str| {
        format!(
            "{own} may not use {module}, which comes after it: move what is shared down, or hand it in"
        )
    };
    let text = "use crate::{\n    hash,\n    event::{Event, jobs},\n    jobs::Jobs,\n};\n// crate::agent\n\
                fn a() { crate::agent::b(); my_crate::run::c(); }\n\
                #[cfg(test)]\nmod tests {\nuse crate::run::run;\n}\n";
    let path = "runner/src/link/a.rs";
    assert_eq!(
        of(path, text),
        [
            format!("{path}:4: {}", cure("link", "jobs")),
            format!("{path}:7: {}", cure("link", "agent")),
        ]
    );
    let climbing =
        "use super::{mod_of_its_own, super::frames::A};\nuse super::super::{hash, agent};\n";
    assert_eq!(of(path, climbing), [format!("{path}:2: {}", cure("link", "agent"))]);
    let path = "runner/src/link/mod.rs";
    assert_eq!(of(path, "use super::jobs;\n"), [format!("{path}:1: {}", cure("link", "jobs"))]);
    let unknown = of("runner/src/novel.rs", "");
    assert!(unknown[0].contains("novel has no place in its crate"), "{unknown:?}");
    let passed_on = "use crate::{Agent, Way};\nfn a(_: crate::Dialled) {}\n";
    let path = "runner/src/frames.rs";
    assert_eq!(
        of(path, passed_on),
        [
            format!("{path}:1: {}", cure("frames", "agent")),
            format!("{path}:1: {}", cure("frames", "link")),
            format!("{path}:2: {}", cure("frames", "link")),
        ]
    );
}

#[test]
fn a_crate_of_many_modules_without_an_order_is_named() {
    let files = |names: &[&str]| -> Vec<Source> {
        let path = |name: &&str| Source::new(&format!("novel/src/{name}.rs"), "");
        names.iter().map(path).collect()
    };
    let told = said(folders::check(&files(&["lib", "a", "b", "c", "d", "tests"])));
    assert_eq!(
        told,
        [
            "novel/src/lib.rs:1: novel/src/ has more than 3 modules and no order: xtask/src/tidy/folders.rs"
        ]
    );
    assert!(folders::check(&files(&["lib", "a", "b", "c", "c/d"])).is_empty());
}

#[test]
fn a_language_outside_of_its_folder_is_named() {
    let code =
        "/// Such as Python.\nconst A: &str = \"no python3\";\n// wsgi\nconst B: u8 = WSGI;\n";
    let at = |path: &str| Source::new(path, code);
    let list =
        "mod python;\npub const ALL: &[&dyn Runtime] = &[&python::Python];\nfn python() {}\n";
    let sources = [
        at("cli/src/app/mod.rs"),
        at("cli/src/app/tests.rs"),
        at("cli/src/config/keys.rs"),
        Source::new("runner/src/runtime/mod.rs", list),
        at("runner/src/runtime/python/mod.rs"),
        at("shell-module/src/lib.rs"),
    ];
    let said = said(languages::check(&sources));
    let places: Vec<&str> = said.iter().filter_map(|it| it.split(": ").next()).collect();
    let places_of_cli = ["cli/src/app/mod.rs:2", "cli/src/app/mod.rs:4"];
    assert_eq!(places[..2], places_of_cli, "{said:?}");
    assert_eq!(places[2..], ["runner/src/runtime/mod.rs:3"], "{said:?}");
}
