//! Lists the files of the built GraphiQL page, if it was built, so that they end up in the binary.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let dist = Path::new("graphiql/dist");
    println!("cargo::rerun-if-changed=build.rs");
    // A path that is not there yet makes cargo look at every build, so its appearing is seen.
    for watched in ["graphiql/dist", "graphiql/package.json"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    let mut files = Vec::new();
    collect(dist, &mut files);
    files.sort();
    let mut code = String::from("static FILES: &[(&str, &[u8])] = &[\n");
    for file in &files {
        let name = file
            .strip_prefix(dist)
            .unwrap_or(file)
            .display()
            .to_string();
        let path = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        writeln!(
            code,
            "    ({name:?}, include_bytes!(r#\"{}\"#)),",
            path.display()
        )
        .expect("a string takes all");
    }
    code.push_str("];\n");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join("graphiql.rs"), code).expect("OUT_DIR can be written");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
