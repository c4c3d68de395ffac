//! Writes every manifest that the lab forges into a folder: `forge DIRECTORY`.

use std::{env, fs, io, path::PathBuf};

fn main() -> io::Result<()> {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: forge DIRECTORY"));
    };
    fs::create_dir_all(&folder)?;
    lab::nvidia::rim_defects::cases()
        .into_iter()
        .try_for_each(|case| fs::write(folder.join(format!("{}.xml", case.name)), case.document))
}
