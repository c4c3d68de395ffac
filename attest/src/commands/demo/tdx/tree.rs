//! A guest in a simulated file tree.

use std::{
    fs,
    io::{Error, ErrorKind, Result},
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use lab::{
    intel::TdGuest,
    tsm::{Behaviour, TsmTree},
};
use serde_json::json;

/// What the host tells a dstack guest, below the guest's root.
const HOST_SHARED: &str = "dstack/.host-shared";

/// The files of `guest` below `root`. Its quotes carry RTMR3 as the tree's file has it.
pub(crate) fn mount(root: &Path, guest: &TdGuest) -> Result<Arc<TsmTree>> {
    let launch = &guest.launch;
    let config = json!({
        "mr_config": launch.mr_config,
        "vm_config": json!({
            "memory_size": launch.memory_size,
            "qemu_single_pass_add_pages": launch.two_pass,
            "tdx_measurement": {
                "checksum_file": BASE64_STANDARD.encode(&launch.checksum_file),
                "measurement": BASE64_STANDARD.encode(&launch.measurement_cbor),
            },
        }).to_string(),
    });
    let folder = root.join(HOST_SHARED);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(".sys-config.json"), config.to_string())?;

    let behaviour = Behaviour { ccel: Some((Vec::new(), launch.ccel())), ..Behaviour::tdx() };
    // The maker asks the tree that it is a part of.
    let slot = Arc::new(Mutex::new(Weak::<TsmTree>::new()));
    let (tree, quoted) = (Arc::clone(&slot), guest.clone());
    let maker = Box::new(move |challenge: &[u8; 64], _privilege: u32| {
        let tree = tree.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let rtmr3 = tree.and_then(|tree| tree.rtmr(3)).ok_or(Error::from(ErrorKind::NotFound))?;
        let mut guest = quoted.clone();
        guest.quote.body.rtmr3 = rtmr3;
        Ok((guest.quote_for(challenge), Vec::new()))
    });
    let tree = Arc::new(TsmTree::mount(root, behaviour, maker)?);
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&tree);
    Ok(tree)
}
