//! What is found in a folder, and what is said when nothing is.

use std::{fs, path::Path};

use ostler_runner::{AppSpec, Serve};

use super::{detect, resolve};

/// A folder with these files; a path may go through folders.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn found(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    match detect::detect(folder.path()) {
        Ok(serve) => serve.to_string(),
        Err(told) => told.replace(&folder.path().display().to_string(), "DIR"),
    }
}

const MANAGE: &str =
    "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n";

#[test]
fn a_django_project_is_known_by_its_manage_py() {
    let wsgi = "application = get_wsgi_application()\n";
    assert_eq!(
        found(&[("manage.py", MANAGE), ("shop/wsgi.py", wsgi)]),
        "wsgi:shop.wsgi:application"
    );
    let deep = MANAGE.replace("shop.settings", "config.settings.local");
    assert_eq!(
        found(&[("manage.py", &deep), ("config/wsgi.py", wsgi)]),
        "wsgi:config.wsgi:application"
    );
}

#[test]
fn the_usual_files_are_found_in_their_order() {
    let app = ("app.py", "app = Flask(__name__)\n");
    assert_eq!(found(&[app]), "wsgi:app:app");
    assert_eq!(
        found(&[app, ("wsgi.py", "from app import app as application\n")]),
        "wsgi:wsgi:application"
    );
    assert_eq!(
        found(&[("wsgi.py", "def application(environ, start_response):\n")]),
        "wsgi:wsgi:application"
    );
    assert_eq!(
        found(&[("app/__init__.py", "def create_app():\n    pass\n")]),
        "wsgi:app:create_app()"
    );
    assert_eq!(found(&[("main.py", "app: Flask = make()\n")]), "wsgi:main:app");
    assert_eq!(found(&[("main.py", "app, db = make()\n")]), "wsgi:main:app");
    assert_eq!(found(&[("main.py", "application = app = make()\n")]), "wsgi:main:app");
}

#[test]
fn what_only_looks_like_an_app_is_not_taken() {
    for text in [
        "    app = 1\n",
        "# app = 1\n",
        "run(app=1)\n",
        "if app == 1: pass\n",
        "apple = 1\n",
        "import apple\n",
        "def create_application():\n",
    ] {
        let told = found(&[("app.py", text)]);
        assert!(
            told.starts_with(
                "found no app in DIR (app.py has none of app, application, create_app()): "
            ),
            "{text}{told}"
        );
    }
}

#[test]
fn nothing_found_lists_what_was_looked_for() {
    assert_eq!(
        found(&[("manage.py", MANAGE)]),
        "found no app in DIR (manage.py names shop.settings, which has no wsgi.py beside it): looked \
         for a Django project (manage.py), wsgi.py (application, app), app.py and main.py (app, \
         application, create_app()); name it: ostler serve wsgi:module:callable, or \
         run jobs only: ostler serve --no-app"
    );
}

fn spec(root: &Path, serve: &str) -> AppSpec {
    let serve = Serve::read(serve).unwrap();
    crate::plan::bare("app", serve, root).unwrap().runner.apps.remove(0)
}

fn resolved(root: &Path, serve: &str) -> Result<String, String> {
    let mut apps = [spec(root, serve)];
    resolve(&mut apps).map_err(|told| told.join("\n"))?;
    Ok(apps[0].serve.to_string())
}

#[test]
fn an_open_callable_is_looked_up() {
    let folder = folder(&[
        ("hello.py", "app = 1\n"),
        ("pack/__init__.py", "application = 1\napp = 1\n"),
        ("odd.py", "handler = 1\n"),
    ]);
    assert_eq!(resolved(folder.path(), "wsgi:hello").unwrap(), "wsgi:hello:app");
    assert_eq!(resolved(folder.path(), "wsgi:pack").unwrap(), "wsgi:pack:application");
    assert_eq!(resolved(folder.path(), "wsgi:odd:handler").unwrap(), "wsgi:odd:handler");
    assert_eq!(
        resolved(folder.path(), "wsgi:odd").unwrap_err(),
        "app \"app\": odd.py has neither application nor app; name the callable: wsgi:odd:NAME"
    );
}

#[test]
fn a_module_that_is_not_there_is_told_before_anything_starts() {
    let folder = folder(&[("pack/__init__.py", "")]);
    let root = folder.path().display();
    assert_eq!(
        resolved(folder.path(), "wsgi:pack.shop:app").unwrap_err(),
        format!(
            "app \"app\": there is no module pack.shop: neither pack/shop.py nor pack/shop/__init__.py in {root}"
        )
    );
    assert_eq!(
        resolved(folder.path(), "wsgi:nowhere:app").unwrap_err(),
        format!(
            "app \"app\": there is no module nowhere: neither nowhere.py nor nowhere/__init__.py in {root}, nor is it installed for its Python"
        )
    );
    assert!(resolved(folder.path(), "wsgi:wsgiref.simple_server:demo_app").is_ok());
}
