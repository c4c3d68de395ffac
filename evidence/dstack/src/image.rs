//! The identity of an OS image, and the measurement documents that hang on it.
//!
//! An image ships `sha256sum.txt`, one line per file. `os_image_hash` is the SHA-256 of that list, so one
//! hash identifies the image on every platform, and a verifier needs only the list and the one measurement
//! document of its platform, never the image. Source: `dstack-types/src/lib.rs`, `os/image/assemble.sh`.

use std::collections::BTreeMap;

use crate::hash::sha256;

/// The image's measurement document for AMD SEV-SNP.
pub const SNP_MEASUREMENT: &str = "measurement.snp.cbor";
/// The image's measurement document for Intel TDX.
pub const TDX_MEASUREMENT: &str = "measurement.tdx.cbor";
/// The image's measurement document for Google Cloud.
pub const GCP_MEASUREMENT: &str = "measurement.gcp.cbor";
/// The image's measurement document for AWS.
pub const AWS_MEASUREMENT: &str = "measurement.aws.cbor";

/// The longest `sha256sum.txt` and the longest measurement document, in bytes.
pub const MAX_DOCUMENT: usize = 64 * 1024;
/// The most files in one image.
pub const MAX_FILES: usize = 256;

/// Why an image's material was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The list is too long.
    #[error("sha256sum.txt of at most {MAX_DOCUMENT} bytes expected, found {found}")]
    ChecksumFileTooLarge {
        /// The length found in bytes.
        found: usize,
    },
    /// The measurement document is too long.
    #[error("measurement document of at most {MAX_DOCUMENT} bytes expected, found {found}")]
    MeasurementTooLarge {
        /// The length found in bytes.
        found: usize,
    },
    /// The list has too many lines.
    #[error("sha256sum.txt of at most {MAX_FILES} lines expected, found more")]
    TooManyFiles,
    /// A line has another form.
    #[error("line {line} of sha256sum.txt must be 64 hex digits, two spaces and a file name")]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// A file stands in the list twice.
    #[error("each file once expected in sha256sum.txt, found {name:?} twice")]
    DuplicateFile {
        /// The file.
        name: String,
    },
    /// The list is not that of the expected image.
    #[error("os_image_hash {} expected, found {}", hex::encode(expected), hex::encode(found))]
    OsImageHash {
        /// The hash expected.
        expected: [u8; 32],
        /// SHA-256 of the list.
        found: [u8; 32],
    },
    /// The list has no such file.
    #[error("{name:?} expected in sha256sum.txt, found none")]
    MissingFile {
        /// The file.
        name: String,
    },
    /// The document is not the one in the list.
    #[error("{name:?} with sha-256 {} expected, found {}", hex::encode(expected), hex::encode(found))]
    MeasurementHash {
        /// The file.
        name: String,
        /// The hash in the list.
        expected: [u8; 32],
        /// SHA-256 of the document.
        found: [u8; 32],
    },
}

/// `os_image_hash` (32 bytes): the SHA-256 of the bytes of `sha256sum.txt`.
#[must_use]
pub fn os_image_hash(checksum_file: &[u8]) -> [u8; 32] {
    sha256(&[checksum_file])
}

/// A parsed `sha256sum.txt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChecksumFile {
    files: BTreeMap<String, [u8; 32]>,
}

impl ChecksumFile {
    /// Parses lines of `<64 hex digits><two spaces><file name>`, each ended by a newline (the last may lack
    /// it). A file name is printable ASCII without spaces.
    ///
    /// # Errors
    ///
    /// [`ImageError`] for any other line, a file given twice, and more than [`MAX_FILES`] lines or
    /// [`MAX_DOCUMENT`] bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(ImageError::ChecksumFileTooLarge { found: bytes.len() });
        }
        let mut files = BTreeMap::new();
        for (index, line) in
            bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|&byte| byte == b'\n').enumerate()
        {
            if index >= MAX_FILES {
                return Err(ImageError::TooManyFiles);
            }
            let (name, digest) =
                parse_line(line).ok_or(ImageError::Line { line: index.saturating_add(1) })?;
            if files.insert(name.to_owned(), digest).is_some() {
                return Err(ImageError::DuplicateFile { name: name.to_owned() });
            }
        }
        Ok(Self { files })
    }

    /// The SHA-256 of the file `name`.
    #[must_use]
    pub fn digest(&self, name: &str) -> Option<[u8; 32]> {
        self.files.get(name).copied()
    }
}

fn parse_line(line: &[u8]) -> Option<(&str, [u8; 32])> {
    let (digits, rest) = line.split_at_checked(64)?;
    let name = rest.strip_prefix(b"  ")?;
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    let mut digest = [0; 32];
    hex::decode_to_slice(digits, &mut digest).ok()?;
    Some((std::str::from_utf8(name).ok()?, digest))
}

/// An image's list of files with one measurement document that the list names. Nothing is checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageMaterial {
    /// The bytes of `sha256sum.txt`.
    pub checksum_file: Vec<u8>,
    /// The bytes of the measurement document.
    pub measurement: Vec<u8>,
}

impl ImageMaterial {
    /// Checks that the document is the one that the list has under `file_name`, and that the list is that of
    /// the image `expected_os_image_hash` (if the caller has one to compare with).
    ///
    /// # Errors
    ///
    /// [`ImageError`] names the first link that does not hold: image, list, document.
    pub fn verify(
        &self,
        file_name: &str,
        expected_os_image_hash: Option<&[u8; 32]>,
    ) -> Result<CheckedMeasurement<'_>, ImageError> {
        if self.measurement.len() > MAX_DOCUMENT {
            return Err(ImageError::MeasurementTooLarge { found: self.measurement.len() });
        }
        let list = ChecksumFile::parse(&self.checksum_file)?;
        let os_image_hash = os_image_hash(&self.checksum_file);
        if let Some(&expected) = expected_os_image_hash.filter(|&expected| *expected != os_image_hash) {
            return Err(ImageError::OsImageHash { expected, found: os_image_hash });
        }
        let missing = || ImageError::MissingFile { name: file_name.to_owned() };
        let expected = list.digest(file_name).ok_or_else(missing)?;
        let found = sha256(&[&self.measurement]);
        if found != expected {
            return Err(ImageError::MeasurementHash { name: file_name.to_owned(), expected, found });
        }
        Ok(CheckedMeasurement { os_image_hash, measurement: &self.measurement })
    }
}

/// A measurement document that the image with this hash contains. Made only by [`ImageMaterial::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedMeasurement<'a> {
    os_image_hash: [u8; 32],
    measurement: &'a [u8],
}

impl<'a> CheckedMeasurement<'a> {
    /// The image's identity, 32 bytes.
    #[must_use]
    pub fn os_image_hash(&self) -> [u8; 32] {
        self.os_image_hash
    }

    /// The document's bytes.
    #[must_use]
    pub fn measurement(&self) -> &'a [u8] {
        self.measurement
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of the empty string and of "abc" (FIPS 180-4 examples).
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn material() -> ImageMaterial {
        let checksum_file = format!("{EMPTY}  bzImage\n{ABC}  measurement.snp.cbor\n").into_bytes();
        ImageMaterial { checksum_file, measurement: b"abc".to_vec() }
    }

    #[test]
    fn verifies_image_list_and_document() {
        let material = material();
        let hash = os_image_hash(&material.checksum_file);
        let checked = material.verify(SNP_MEASUREMENT, Some(&hash)).unwrap();
        assert_eq!((checked.os_image_hash(), checked.measurement()), (hash, b"abc".as_slice()));
        assert_eq!(material.verify(SNP_MEASUREMENT, None), Ok(checked));
    }

    #[test]
    fn each_link_is_checked() {
        let good = material();
        let hash = os_image_hash(&good.checksum_file);
        let error = ImageError::OsImageHash { expected: [7; 32], found: hash };
        assert_eq!(good.verify(SNP_MEASUREMENT, Some(&[7; 32])), Err(error));
        let error = ImageError::MissingFile { name: TDX_MEASUREMENT.to_owned() };
        assert_eq!(good.verify(TDX_MEASUREMENT, None), Err(error));
        let other = ImageMaterial { measurement: Vec::new(), ..material() };
        assert!(matches!(other.verify(SNP_MEASUREMENT, None), Err(ImageError::MeasurementHash { .. })));
        let long = ImageMaterial { measurement: vec![0; MAX_DOCUMENT + 1], ..material() };
        let error = ImageError::MeasurementTooLarge { found: MAX_DOCUMENT + 1 };
        assert_eq!(long.verify(SNP_MEASUREMENT, None), Err(error));
    }

    #[test]
    fn lists_of_another_form_are_refused() {
        let line = |text: String| ChecksumFile::parse(text.as_bytes()).unwrap_err();
        for bad in [
            String::new(),
            ABC.to_owned(),
            format!("{ABC} a"),
            format!("{ABC}  "),
            format!("{ABC} *a"),
            format!("{ABC}   a"),
            format!("{ABC}  a b"),
            format!("{ABC}  a\r"),
            format!("{ABC}  \u{e9}"),
            format!("{}  a", &ABC[1..]),
            format!("g{}  a", &ABC[1..]),
        ] {
            assert_eq!(line(bad), ImageError::Line { line: 1 });
        }
        assert_eq!(line(format!("{ABC}  a\n\n{ABC}  b\n")), ImageError::Line { line: 2 });
        let twice = format!("{ABC}  a\n{EMPTY}  a\n");
        assert_eq!(line(twice), ImageError::DuplicateFile { name: "a".to_owned() });
        let lines = |n| (0..n).map(|i| format!("{ABC}  f{i}\n")).collect::<String>();
        assert_eq!(line(lines(MAX_FILES + 1)), ImageError::TooManyFiles);
        assert!(ChecksumFile::parse(lines(MAX_FILES).as_bytes()).is_ok());
        let long = " ".repeat(MAX_DOCUMENT + 1);
        assert_eq!(line(long), ImageError::ChecksumFileTooLarge { found: MAX_DOCUMENT + 1 });
    }
}
