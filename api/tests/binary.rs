//! The binary itself: bad settings stop the start and name the variable, a signal ends it in time.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn portal() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portal"));
    for name in [
        "DATABASE_URL",
        "PORTAL_KEYS",
        "PORTAL_KEY_FILE",
        "PORTAL_LISTEN",
        "PORTAL_LOG",
        "MEWS_WEBHOOK_SECRETS",
    ] {
        command.env_remove(name);
    }
    command
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("the binary");
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_setting_stops_the_start_and_names_the_variable() {
    let keys = Command::new(portal().get_program())
        .args(["keys", "new"])
        .output()
        .expect("a key");
    let keys = String::from_utf8_lossy(&keys.stdout).trim().to_owned();
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite:{}", folder.path().join("p.db").display());
    for (name, value, word) in [
        ("DATABASE_URL", "mysql://x", "DATABASE_URL"),
        ("PORTAL_KEYS", "abc", "PORTAL_KEYS"),
        ("PORTAL_LISTEN", "nowhere", "PORTAL_LISTEN"),
        ("PORTAL_ORIGIN", "example.com/x", "PORTAL_ORIGIN"),
        ("MEWS_API_URL", "not an address", "MEWS_API_URL"),
        (
            "MEWS_WEBHOOK_SECRETS",
            "too-short-a-secret",
            "MEWS_WEBHOOK_SECRETS",
        ),
        ("PORTAL_KEY_FILE", "/no/such/file", "PORTAL_KEY_FILE"),
    ] {
        let mut command = portal();
        command.arg("serve").env("DATABASE_URL", &database);
        if name != "PORTAL_KEY_FILE" {
            command.env("PORTAL_KEYS", &keys);
        }
        let said = said(command.env(name, value));
        // Of a flag clap names the flag, which the help pairs with its variable.
        let flag = format!(
            "--{}",
            word.trim_start_matches("PORTAL_")
                .to_lowercase()
                .replace('_', "-")
        );
        assert!(
            said.contains(word) || said.contains(&flag),
            "{name}: {said}"
        );
        assert!(!said.contains(&keys), "{said}");
        assert!(!said.contains("too-short-a-secret"), "{said}");
    }
    let said = said(portal().arg("serve").env("DATABASE_URL", &database));
    assert!(
        said.contains("PORTAL_KEYS or PORTAL_KEY_FILE must be set"),
        "{said}"
    );
}

#[test]
fn another_key_than_the_one_that_sealed_stops_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite:{}", folder.path().join("p.db").display());
    let key = || {
        let made = portal().args(["keys", "new"]).output().expect("a key");
        String::from_utf8_lossy(&made.stdout).trim().to_owned()
    };
    let (first, second) = (key(), key());
    serve_and_stop(&database, &first);
    let said = said(
        portal()
            .arg("serve")
            .env("DATABASE_URL", &database)
            .env("PORTAL_KEYS", &second),
    );
    assert!(
        said.contains("that sealed this database is not among the keys given"),
        "{said}"
    );
    serve_and_stop(&database, &format!("{second},{first}"));
}

#[test]
fn sigterm_ends_the_process_within_ten_seconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite:{}", folder.path().join("p.db").display());
    let made = portal().args(["keys", "new"]).output().expect("a key");
    let key = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    let took = serve_and_stop(&database, &key);
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// Starts a server, waits until it listens, ends it by SIGTERM, and says how long that took.
fn serve_and_stop(database: &str, key: &str) -> Duration {
    let mut child = portal()
        .arg("serve")
        .env("DATABASE_URL", database)
        .env("PORTAL_KEYS", key)
        .env("PORTAL_LISTEN", "127.0.0.1:0")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut log = BufReader::new(child.stderr.take().expect("its log"));
    let mut line = String::new();
    while !line.contains("the API listens") {
        line.clear();
        let read = log.read_line(&mut line).expect("its log");
        assert!(read > 0, "it ended before it listened");
    }
    let started = Instant::now();
    let told = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(told.expect("kill").success());
    let status = child.wait().expect("its end");
    assert!(status.success(), "{status}");
    started.elapsed()
}

#[test]
fn a_payload_is_told_on_one_stream_and_what_is_wrong_with_it_on_the_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("payload.json");
    let decode = |payload: &str| {
        std::fs::write(&file, payload).expect("a file");
        let mut command = portal();
        command.args(["decode", "--app", "mews", "--kind", "customers"]);
        command.stdin(std::fs::File::open(&file).expect("the file"));
        let output = command.output().expect("the binary");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    };
    let (code, told, wrong) = decode(r#"{"Customers":[{"Id":"7","LastName":"Ørsted"}]}"#);
    assert_eq!((code, wrong.as_str()), (Some(0), ""));
    assert!(told.contains(r#""name": "Ørsted""#), "{told}");
    let (code, told, wrong) = decode(r#"{"Customers":"SECRET"}"#);
    assert_eq!((code, told.as_str()), (Some(1), ""));
    assert!(wrong.starts_with("portal: the payload cannot be read: Customers is no list."));
    assert!(!wrong.contains("SECRET"), "{wrong}");
}
