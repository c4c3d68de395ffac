//! The certificate table that a host hands to its guest with an extended report.

use evidence_x509::Certificate;

use crate::Error;

/// The largest table that is read, in bytes: four times what Linux lets a host pass.
const MAX_TABLE: usize = 64 * 1024;

/// The most entries that are read. Hosts send three to five.
const MAX_ENTRIES: usize = 32;

/// Bytes of one entry: GUID, offset, length.
const ENTRY_LEN: usize = 24;

/// What an entry holds (GHCB specification 56421 rev. 2.03, §4.1.8.1).
///
/// The bytes of a GUID stand in the order of its text (RFC 4122), as in every table that real hosts were seen to hand out,
/// and not with three groups reversed as in UEFI's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateKind {
    /// c0b406a4-a803-4952-9743-3fb6014cd0ae.
    Ark,
    /// 4ab7b379-bbac-4fe4-a02f-05aef327c782.
    Ask,
    /// 63da758d-e664-4564-adc5-f4b93be8accd.
    Vcek,
    /// a8074bc2-a25a-483e-aae6-39c045a0b8a1: the VLEK (the ASVK comes by other ways).
    Vlek,
    /// 92f81bc3-5811-4d3d-97ff-d19f88dc67ea: a revocation list.
    Crl,
    /// 9f4116cd-c503-4f5a-8f6f-fb68882f4ce2: Google's launch endorsement (google/gce-tcb-verifier, `sev`).
    GceEndorsement,
    /// Anything else, by its 16 bytes.
    Other([u8; 16]),
}

impl CertificateKind {
    fn from_guid(guid: [u8; 16]) -> Self {
        match u128::from_be_bytes(guid) {
            0xc0b4_06a4_a803_4952_9743_3fb6_014c_d0ae => Self::Ark,
            0x4ab7_b379_bbac_4fe4_a02f_05ae_f327_c782 => Self::Ask,
            0x63da_758d_e664_4564_adc5_f4b9_3be8_accd => Self::Vcek,
            0xa807_4bc2_a25a_483e_aae6_39c0_45a0_b8a1 => Self::Vlek,
            0x92f8_1bc3_5811_4d3d_97ff_d19f_88dc_67ea => Self::Crl,
            0x9f41_16cd_c503_4f5a_8f6f_fb68_882f_4ce2 => Self::GceEndorsement,
            _ => Self::Other(guid),
        }
    }
}

/// A table that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateTableError {
    /// One GUID twice.
    #[error("certificate table has two entries of one kind, {0:?}")]
    Duplicate(CertificateKind),
    /// No entry of zeros ends the table.
    #[error("certificate table does not end with a zero entry within {MAX_ENTRIES} entries")]
    NoEnd,
    /// An entry points outside of the data area, or into another entry's data.
    #[error(
        "certificate table entry {index} spans {offset}+{length}, outside of its own data of {table} bytes"
    )]
    OutOfBounds {
        /// Which entry.
        index: usize,
        /// Where it starts.
        offset: usize,
        /// How long it is.
        length: usize,
        /// How large the table is.
        table: usize,
    },
    /// Larger than the limit.
    #[error("certificate table of {0} bytes, at most {MAX_TABLE} are read")]
    TooLarge(usize),
}

/// The host's certificate table: entries `{guid: 16 bytes, offset: u32, length: u32}`, integers little-endian, ended by one
/// of zeros,
/// then the data that they point to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateTable<'a> {
    entries: Vec<(CertificateKind, &'a [u8])>,
}

impl<'a> CertificateTable<'a> {
    /// Reads a table. Every entry lies behind the list of entries and overlaps no other.
    ///
    /// # Errors
    ///
    /// [`CertificateTableError`].
    pub fn parse(table: &'a [u8]) -> Result<Self, CertificateTableError> {
        if table.len() > MAX_TABLE {
            return Err(CertificateTableError::TooLarge(table.len()));
        }
        let mut spans: Vec<(CertificateKind, usize, usize)> = Vec::new();
        let mut list = table;
        let data_start = loop {
            let (entry, rest) = list.split_first_chunk::<ENTRY_LEN>().ok_or(CertificateTableError::NoEnd)?;
            list = rest;
            if *entry == [0; ENTRY_LEN] {
                break table.len().saturating_sub(list.len());
            }
            if spans.len() == MAX_ENTRIES {
                return Err(CertificateTableError::NoEnd);
            }
            spans.push(Self::span(*entry));
        };

        let mut entries: Vec<(CertificateKind, &'a [u8])> = Vec::with_capacity(spans.len());
        let mut taken: Vec<(usize, usize)> = Vec::with_capacity(spans.len());
        for (index, (kind, offset, length)) in spans.into_iter().enumerate() {
            let out_of_bounds =
                CertificateTableError::OutOfBounds { index, offset, length, table: table.len() };
            let Some(end) = offset.checked_add(length) else { return Err(out_of_bounds) };
            let overlaps = taken.iter().any(|&(start, stop)| offset < stop && start < end);
            let Some(data) = table.get(offset..end).filter(|_| offset >= data_start && !overlaps) else {
                return Err(out_of_bounds);
            };
            if entries.iter().any(|(known, _)| *known == kind) {
                return Err(CertificateTableError::Duplicate(kind));
            }
            taken.push((offset, end));
            entries.push((kind, data));
        }
        Ok(Self { entries })
    }

    /// The entries in the table's order.
    pub fn entries(&self) -> &[(CertificateKind, &'a [u8])] {
        &self.entries
    }

    /// The certificates: ARK, ASK, VCEK or VLEK, each as the host wrote it (DER or PEM).
    pub fn certificates(&self) -> impl Iterator<Item = &'a [u8]> {
        self.entries.iter().filter_map(|(kind, data)| match kind {
            CertificateKind::Crl | CertificateKind::GceEndorsement | CertificateKind::Other(_) => None,
            _ => Some(*data),
        })
    }

    /// Google's launch endorsement, if there is one.
    pub fn gce_endorsement(&self) -> Option<&'a [u8]> {
        let mut entries = self.entries.iter();
        entries.find(|(kind, _)| *kind == CertificateKind::GceEndorsement).map(|(_, data)| *data)
    }

    fn span(entry: [u8; ENTRY_LEN]) -> (CertificateKind, usize, usize) {
        let [guid @ .., o0, o1, o2, o3, l0, l1, l2, l3] = entry;
        let number = |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
        (CertificateKind::from_guid(guid), number([o0, o1, o2, o3]), number([l0, l1, l2, l3]))
    }
}

/// Certificates as guests and hosts hand them over: DER, PEM (of one or several), or a host's certificate table; each as
/// DER, in the order given.
///
/// # Errors
///
/// [`Error::Certificate`] for a malformed certificate, [`Error::CertificateTable`] for a malformed table.
pub fn read_certificates<B: AsRef<[u8]>>(sources: &[B]) -> Result<Vec<Vec<u8>>, Error> {
    /// The first byte of every DER certificate: SEQUENCE.
    const DER: u8 = 0x30;
    let mut all = Vec::new();
    for source in sources.iter().map(AsRef::as_ref) {
        let parts = match source.first() {
            Some(&DER | b'-') => vec![source],
            _ => CertificateTable::parse(source)?.certificates().collect(),
        };
        for part in parts {
            all.extend(
                Certificate::parse_der_or_pem(part)?.iter().map(|certificate| certificate.der().to_vec()),
            );
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VLEK: u128 = 0xa807_4bc2_a25a_483e_aae6_39c0_45a0_b8a1;
    const ASK: u128 = 0x4ab7_b379_bbac_4fe4_a02f_05ae_f327_c782;

    fn table(entries: &[(u128, u32, u32)], data: &[u8]) -> Vec<u8> {
        let mut table = Vec::new();
        for (guid, offset, length) in entries {
            table.extend(guid.to_be_bytes());
            table.extend(offset.to_le_bytes());
            table.extend(length.to_le_bytes());
        }
        table.extend([0; ENTRY_LEN]);
        table.extend(data);
        table
    }

    #[test]
    fn entries_are_read_in_order() {
        let bytes = table(&[(VLEK, 72, 2), (ASK, 74, 1)], b"abc");
        let parsed = CertificateTable::parse(&bytes).unwrap();
        assert_eq!(parsed.entries(), [(CertificateKind::Vlek, &b"ab"[..]), (CertificateKind::Ask, b"c")]);
    }

    #[test]
    fn an_entry_points_at_its_own_data_alone() {
        for (entries, index) in [
            (vec![(VLEK, 48, 4)], 0),               // past the end
            (vec![(VLEK, u32::MAX, 4)], 0),         // far past the end
            (vec![(VLEK, 0, 4)], 0),                // into the list of entries
            (vec![(VLEK, 72, 2), (ASK, 73, 2)], 1), // into another entry
        ] {
            let bytes = table(&entries, b"abc");
            assert!(matches!(
                CertificateTable::parse(&bytes),
                Err(CertificateTableError::OutOfBounds { index: found, .. }) if found == index
            ));
        }
    }

    #[test]
    fn a_table_ends_and_names_nothing_twice() {
        let bytes = table(&[(VLEK, 72, 1), (VLEK, 73, 1)], b"abc");
        assert_eq!(
            CertificateTable::parse(&bytes),
            Err(CertificateTableError::Duplicate(CertificateKind::Vlek))
        );
        assert_eq!(CertificateTable::parse(&bytes[..48]), Err(CertificateTableError::NoEnd));
        assert_eq!(CertificateTable::parse(&[1; 24 * 40]), Err(CertificateTableError::NoEnd));
        assert_eq!(
            CertificateTable::parse(&vec![0; MAX_TABLE + 1]),
            Err(CertificateTableError::TooLarge(MAX_TABLE + 1))
        );
    }
}
