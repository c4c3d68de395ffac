//! Whether manifests are what the certificate in them signed, which is what XML Signature alone says: paths on standard input, one answer
//! in each line of standard output.

#![expect(clippy::print_stdout, reason = "what an example is for")]

use std::{
    fs,
    io::{self, BufRead as _},
};

use evidence_rim::{Error, danger_verify_signature_alone};

fn main() -> io::Result<()> {
    for path in io::stdin().lock().lines() {
        match danger_verify_signature_alone(&fs::read(path?)?) {
            Ok(()) => println!("verified"),
            Err(error @ (Error::Digest | Error::Signature)) => println!("refused: {error}"),
            Err(error) => println!("refused on structure: {error}"),
        }
    }
    Ok(())
}
