//! The Authenticode digest of a PE image, by which firmware measures a kernel.
//!
//! It covers the image but for what signing changes: the checksum, the directory entry of the certificate
//! table, and that table (Microsoft, "Windows Authenticode Portable Executable Signature Format", 2008,
//! "Calculating the PE Image Hash"; layout: Microsoft, "PE Format"). Integers are little-endian:
//!
//! | at | offset | bytes | field |
//! |---|---|---|---|
//! | start | 0 | 2 | `MZ` |
//! | | 0x3c | 4 | where the PE signature is |
//! | PE signature | 0 | 4 | `PE\0\0` |
//! | | 6 | 2 | number of sections |
//! | | 20 | 2 | bytes of the optional header |
//! | optional header | 0 | 2 | 0x10b PE32, 0x20b PE32+ |
//! | | 60 | 4 | bytes of all headers |
//! | | 64 | 4 | checksum |
//! | | 92, PE32+ 108 | 4 | number of directories |
//! | | 128, PE32+ 144 | 8 | directory 4: the certificate table's offset in the file, and its length |
//! | section header | 16 | 4 | bytes of the section in the file |
//! | | 20 | 4 | its offset in the file |
//!
//! The algorithm hashes sections by ascending offset and then what follows them. It says nothing of bytes
//! between sections, so that those would be in the kernel and not in its measurement: images that have such
//! bytes, or sections that overlap, are refused here.

use core::ops::Range;

use aws_lc_rs::digest::{Context, SHA384};
use thiserror::Error;

/// The most sections of one image (PE format, "COFF File Header").
pub const MAX_SECTIONS: u16 = 96;

const PE32: u16 = 0x10b;
const PE32_PLUS: u16 = 0x20b;
/// The directory entry of the certificate table.
const CERTIFICATE_DIRECTORY: usize = 4;
/// Directory entries of one image, at most.
const MAX_DIRECTORIES: usize = 16;
const DIRECTORY_BYTES: usize = 8;
const SECTION_HEADER_BYTES: usize = 40;

/// Why a PE image has no digest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthenticodeError {
    /// The image ends before something that it says it has.
    #[error("{what} expected at offset {offset:#x} of the pe image, found its end")]
    Truncated {
        /// What is there.
        what: &'static str,
        /// Where it begins.
        offset: usize,
    },
    /// A constant of the format has another value.
    #[error("{what} expected in the pe image, found another value")]
    Magic {
        /// What is there.
        what: &'static str,
    },
    /// More sections than an image has.
    #[error("at most {MAX_SECTIONS} sections expected in the pe image, found {found}")]
    Sections {
        /// The number.
        found: u16,
    },
    /// More directories than an image has, or than its optional header has room for.
    #[error("at most {MAX_DIRECTORIES} directories within the optional header expected, found {found}")]
    Directories {
        /// The number.
        found: u32,
    },
    /// A section does not begin where the headers or the section before it end.
    #[error("section at offset {expected:#x} of the pe image expected, found one at {found:#x}")]
    SectionOffset {
        /// Where the headers or the section before it end.
        expected: usize,
        /// Where it begins.
        found: usize,
    },
    /// The headers are too short for the table of sections.
    #[error("headers of at least {expected:#x} bytes expected in the pe image, found {found:#x}")]
    Headers {
        /// Where the table of sections ends.
        expected: usize,
        /// Bytes of the headers.
        found: usize,
    },
    /// The certificate table lies within the sections, or is not what the image ends with.
    #[error(
        "certificate table in and up to the end of {expected:#x?} expected in the pe image, found {found:#x?}"
    )]
    CertificateTable {
        /// From the end of the sections to the end of the image.
        expected: Range<usize>,
        /// Where it lies.
        found: Range<usize>,
    },
}

/// The Authenticode digest of a PE image: SHA-384, 48 bytes.
///
/// # Errors
///
/// [`AuthenticodeError`] for anything that is not a well-formed PE32 or PE32+ image without gaps.
pub fn authenticode_sha384(image: &[u8]) -> Result<[u8; 48], AuthenticodeError> {
    let [checksum, directory_entry, certificate_table] = left_out(image)?;
    // The sections follow the headers and each other, and what is left follows them: beside the three parts
    // that are left out, the image is hashed from its start to its end.
    let hashed = [
        0..checksum.start,
        checksum.end..directory_entry.start,
        directory_entry.end..certificate_table.start,
    ];
    let mut context = Context::new(&SHA384);
    for range in hashed {
        context.update(image.get(range).unwrap_or_default());
    }
    let mut digest = [0; 48];
    digest.copy_from_slice(context.finish().as_ref());
    Ok(digest)
}

/// The parts of the image that the digest leaves out, in order: the checksum, the directory entry of the
/// certificate table, and that table, which ends the image. Where one is not there, its range is empty. All
/// lie in the image.
fn left_out(image: &[u8]) -> Result<[Range<usize>; 3], AuthenticodeError> {
    let magic = |what, holds: bool| if holds { Ok(()) } else { Err(AuthenticodeError::Magic { what }) };
    magic("dos signature", bytes_at(image, 0, "dos signature")? == *b"MZ")?;
    let pe = offset_at(image, 0x3c, "offset of the pe signature")?;
    magic("pe signature", bytes_at(image, pe, "pe signature")? == *b"PE\0\0")?;
    let sections = u16::from_le_bytes(bytes_at(image, pe.saturating_add(6), "number of sections")?);
    if sections > MAX_SECTIONS {
        return Err(AuthenticodeError::Sections { found: sections });
    }
    let optional_bytes = bytes_at(image, pe.saturating_add(20), "size of the optional header")?;
    let optional = pe.saturating_add(24);
    let section_table = optional.saturating_add(usize::from(u16::from_le_bytes(optional_bytes)));
    let directory_count = match u16::from_le_bytes(bytes_at(image, optional, "optional header")?) {
        PE32 => optional.saturating_add(92),
        PE32_PLUS => optional.saturating_add(108),
        _ => return Err(AuthenticodeError::Magic { what: "optional header of pe32 or pe32+" }),
    };
    let checksum = optional.saturating_add(64);

    let found = u32::from_le_bytes(bytes_at(image, directory_count, "number of directories")?);
    let directory = |index: usize| {
        directory_count.saturating_add(4).saturating_add(index.saturating_mul(DIRECTORY_BYTES))
    };
    let directories = usize::try_from(found).unwrap_or(usize::MAX);
    if directories > MAX_DIRECTORIES || directory(directories) > section_table {
        return Err(AuthenticodeError::Directories { found });
    }

    let headers = offset_at(image, optional.saturating_add(60), "size of the headers")?;
    let table_bytes = usize::from(sections).saturating_mul(SECTION_HEADER_BYTES);
    let table_end = section_table.saturating_add(table_bytes);
    if table_end > headers {
        return Err(AuthenticodeError::Headers { expected: table_end, found: headers });
    }
    let table = slice(image, section_table, table_bytes, "section table")?;
    let sections_end = sections_end(image, table, headers)?;

    let checksum = checksum..checksum.saturating_add(4);
    if directories <= CERTIFICATE_DIRECTORY {
        return Ok([checksum.clone(), checksum.end..checksum.end, image.len()..image.len()]);
    }
    let entry = directory(CERTIFICATE_DIRECTORY);
    let certificate_table = certificate_table(image, entry, sections_end)?;
    Ok([checksum, entry..entry.saturating_add(DIRECTORY_BYTES), certificate_table])
}

/// Where the last section ends, if the sections follow the headers and each other without a gap.
fn sections_end(image: &[u8], table: &[u8], headers: usize) -> Result<usize, AuthenticodeError> {
    let mut sections = Vec::new();
    for header in table.as_chunks::<SECTION_HEADER_BYTES>().0 {
        let size = offset_at(header, 16, "size of a section")?;
        // A section without bytes in the file, such as `.bss`, has no place in it.
        if size > 0 {
            sections.push((offset_at(header, 20, "offset of a section")?, size));
        }
    }
    sections.sort_unstable();
    let end = sections.into_iter().try_fold(headers, |expected, (found, size)| {
        if found == expected { Ok(found.saturating_add(size)) } else { Err((expected, found)) }
    });
    let end = end.map_err(|(expected, found)| AuthenticodeError::SectionOffset { expected, found })?;
    slice(image, 0, end, "sections")?;
    Ok(end)
}

/// The range of the certificate table that this directory entry names.
fn certificate_table(image: &[u8], entry: usize, sections: usize) -> Result<Range<usize>, AuthenticodeError> {
    let start = offset_at(image, entry, "certificate table")?;
    let size = offset_at(image, entry.saturating_add(4), "certificate table")?;
    if (start, size) == (0, 0) {
        return Ok(image.len()..image.len());
    }
    let table = start..start.saturating_add(size);
    if table.start < sections || table.end != image.len() || table.is_empty() {
        return Err(AuthenticodeError::CertificateTable { found: table, expected: sections..image.len() });
    }
    Ok(table)
}

/// A length or an offset, 4 bytes.
fn offset_at(image: &[u8], at: usize, what: &'static str) -> Result<usize, AuthenticodeError> {
    let bytes = bytes_at(image, at, what)?;
    // What does not fit lies beyond the image as well.
    Ok(usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX))
}

fn bytes_at<const N: usize>(
    image: &[u8],
    at: usize,
    what: &'static str,
) -> Result<[u8; N], AuthenticodeError> {
    let bytes = image.get(at..).and_then(<[u8]>::first_chunk);
    bytes.copied().ok_or(AuthenticodeError::Truncated { what, offset: at })
}

fn slice<'a>(
    image: &'a [u8],
    at: usize,
    size: usize,
    what: &'static str,
) -> Result<&'a [u8], AuthenticodeError> {
    let bytes = image.get(at..).and_then(|rest| rest.get(..size));
    bytes.ok_or(AuthenticodeError::Truncated { what, offset: at })
}

#[cfg(test)]
mod tests;
