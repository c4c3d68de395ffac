//! The tree as FUSE asks for it: inodes, folders, open files.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "inodes of a test are few, and lengths of vectors fit 64 bits"
)]

use std::collections::HashMap;
use std::ffi::OsStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, IoctlFlags,
    LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyIoctl,
    ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::tsm::Behaviour;
use crate::tsm::state::{Attribute, State};

/// Nothing is cached: other processes change what is here.
const TTL: Duration = Duration::ZERO;

/// `TDX_CMD_GET_REPORT0`: `_IOWR('T', 1, struct tdx_report_req)`, 64 bytes of REPORTDATA and 1,024 of
/// TDREPORT.
const TDX_CMD_GET_REPORT0: u32 = 0xC440_5401;

/// An entry's inode is its id shifted by this much; its attributes follow. Fixed inodes lie below.
const ENTRY_SHIFT: u32 = 16;

/// What an inode is.
#[derive(Debug, Clone)]
enum Node {
    Folder,
    /// The folder `report`, whose entries users make.
    Reports,
    Bytes(Vec<u8>),
    Rtmr(usize),
    TdxGuest,
    Entry,
    Attribute(u64, Attribute),
}

/// A file or folder that is always there.
#[derive(Debug)]
struct Fixed {
    parent: u64,
    name: String,
    node: Node,
}

/// The fixed part of a tree.
#[derive(Debug)]
pub(super) struct Tree(Vec<Fixed>);

impl Tree {
    /// What lies below `sys`.
    pub(super) fn sys(behaviour: &Behaviour) -> Self {
        let mut tree = Self::empty();
        tree.put("kernel/config/tsm/report", Node::Reports);
        if behaviour.measurements {
            for index in 0..4 {
                let path = format!("devices/virtual/misc/tdx_guest/measurements/rtmr{index}:sha384");
                tree.put(&path, Node::Rtmr(index));
            }
        }
        if let Some((table, log)) = &behaviour.ccel {
            tree.put("firmware/acpi/tables/CCEL", Node::Bytes(table.clone()));
            tree.put("firmware/acpi/tables/data/CCEL", Node::Bytes(log.clone()));
        }
        for (path, content) in &behaviour.files {
            tree.put(path, Node::Bytes(content.clone()));
        }
        tree
    }

    /// What lies below `dev`.
    pub(super) fn dev(behaviour: &Behaviour) -> Self {
        let mut tree = Self::empty();
        match behaviour.provider.as_str() {
            "tdx_guest" => tree.put("tdx_guest", Node::TdxGuest),
            "sev_guest" => tree.put("sev-guest", Node::Bytes(Vec::new())),
            _ => {}
        }
        tree
    }

    /// The tree with its state.
    pub(super) fn over(self, state: Arc<State>) -> Served {
        Served { tree: self, state, files: Mutex::new(HashMap::new()), next: AtomicU64::new(1) }
    }

    fn empty() -> Self {
        Self(vec![Fixed { parent: 1, name: String::new(), node: Node::Folder }])
    }

    fn put(&mut self, path: &str, node: Node) {
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut parent = 1;
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            parent = match self.find(parent, folder) {
                Some((inode, _)) => inode,
                None => self.push(parent, folder, Node::Folder),
            };
        }
        self.push(parent, name, node);
    }

    fn push(&mut self, parent: u64, name: &str, node: Node) -> u64 {
        self.0.push(Fixed { parent, name: name.to_owned(), node });
        self.0.len() as u64
    }

    fn find(&self, parent: u64, name: &str) -> Option<(u64, &Node)> {
        self.children(parent).find(|(_, found, _)| *found == name).map(|(inode, _, node)| (inode, node))
    }

    fn children(&self, parent: u64) -> impl Iterator<Item = (u64, &str, &Node)> {
        let all = (1..).zip(&self.0).skip(1);
        all.filter(move |(_, fixed)| fixed.parent == parent)
            .map(|(inode, fixed)| (inode, fixed.name.as_str(), &fixed.node))
    }
}

/// An open file: what was read from it, or what is written to it and takes effect at the end.
#[derive(Debug, Default)]
struct File {
    content: Option<Vec<u8>>,
    written: Option<Vec<u8>>,
}

/// A tree that is served.
pub(super) struct Served {
    tree: Tree,
    state: Arc<State>,
    files: Mutex<HashMap<u64, File>>,
    next: AtomicU64,
}

impl Served {
    fn files(&self) -> MutexGuard<'_, HashMap<u64, File>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attributes(&self) -> &'static [(Attribute, &'static str, u16)] {
        Attribute::of(&self.state.lock().behaviour.provider)
    }

    fn node(&self, inode: u64) -> Result<Node, Errno> {
        if inode >> ENTRY_SHIFT == 0 {
            let index = usize::try_from(inode).map_err(|_inode| Errno::ENOENT)?.wrapping_sub(1);
            return self.tree.0.get(index).map(|fixed| fixed.node.clone()).ok_or(Errno::ENOENT);
        }
        let (id, index) = (inode >> ENTRY_SHIFT, inode & ((1 << ENTRY_SHIFT) - 1));
        if !self.state.lock().entries.contains_key(&id) {
            return Err(Errno::ENOENT);
        }
        match (1..).zip(self.attributes()).find(|(number, _)| *number == index) {
            Some((_, (attribute, _, _))) => Ok(Node::Attribute(id, *attribute)),
            None => Ok(Node::Entry),
        }
    }

    fn children(&self, inode: u64) -> Result<Vec<(u64, String)>, Errno> {
        Ok(match self.node(inode)? {
            Node::Reports => {
                let state = self.state.lock();
                state.entries.iter().map(|(id, entry)| (id << ENTRY_SHIFT, entry.name.clone())).collect()
            }
            Node::Entry => {
                let numbered = (1..).zip(self.attributes());
                numbered.map(|(number, (_, name, _))| (inode + number, (*name).to_owned())).collect()
            }
            Node::Folder => {
                self.tree.children(inode).map(|(inode, name, _)| (inode, name.to_owned())).collect()
            }
            _ => return Err(Errno::ENOTDIR),
        })
    }

    fn attr(&self, inode: u64) -> Result<FileAttr, Errno> {
        let node = self.node(inode)?;
        let (kind, perm, size) = match &node {
            Node::Folder | Node::Reports | Node::Entry => (FileType::Directory, 0o755, 0),
            Node::Bytes(bytes) => (FileType::RegularFile, 0o400, bytes.len() as u64),
            Node::Rtmr(index) => (FileType::RegularFile, if *index < 2 { 0o444 } else { 0o644 }, 48),
            Node::TdxGuest => (FileType::RegularFile, 0o600, 0),
            Node::Attribute(_, attribute) => {
                let mode = Attribute::ALL.iter().find(|(found, _, _)| found == attribute);
                (FileType::RegularFile, mode.map_or(0, |(_, _, mode)| *mode), 0)
            }
        };
        let now = SystemTime::UNIX_EPOCH;
        Ok(FileAttr {
            ino: INodeNo(inode),
            size,
            blocks: 0,
            atime: now,
            mtime: now,
            ctime: now,
            crtime: now,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }

    /// What reading a file from its beginning gives.
    fn content(&self, inode: u64) -> Result<Vec<u8>, Errno> {
        match self.node(inode)? {
            Node::Bytes(bytes) => Ok(bytes),
            Node::Rtmr(index) => self.state.lock().rtmrs.get(index).map(|r| r.to_vec()).ok_or(Errno::ENOENT),
            Node::Attribute(id, attribute) => self.state.read(id, attribute),
            Node::TdxGuest => Err(Errno::EINVAL),
            Node::Folder | Node::Reports | Node::Entry => Err(Errno::EISDIR),
        }
    }

    /// A file's content is taken when its reading begins; later readings of the open file go on in it.
    fn read_at(&self, inode: u64, file: u64, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let begun = self.files().get(&file).and_then(|file| file.content.clone());
        let content = match begun {
            Some(content) if offset > 0 => content,
            _ => self.content(inode)?,
        };
        let rest = content.iter().skip(usize::try_from(offset).unwrap_or(usize::MAX));
        let part = rest.take(usize::try_from(size).unwrap_or(usize::MAX)).copied().collect();
        self.files().entry(file).or_default().content = Some(content);
        Ok(part)
    }

    fn write_at(&self, inode: u64, file: u64, offset: u64, data: &[u8]) -> Result<u32, Errno> {
        match self.node(inode)? {
            Node::Rtmr(index) => self.state.write_rtmr(index, offset, data)?,
            Node::Attribute(id, Attribute::Privlevel) => self.state.write_privlevel(id, data)?,
            Node::Attribute(_, Attribute::Inblob) => {
                let mut files = self.files();
                files.entry(file).or_default().written.get_or_insert_default().extend(data);
            }
            _ => return Err(Errno::EACCES),
        }
        u32::try_from(data.len()).map_err(|_length| Errno::EFBIG)
    }

    fn name(name: &OsStr) -> Result<&str, Errno> {
        name.to_str().ok_or(Errno::EINVAL)
    }

    fn look_up(&self, parent: u64, name: &OsStr) -> Result<FileAttr, Errno> {
        let name = Self::name(name)?;
        let found = self.children(parent)?.into_iter().find(|(_, found)| found == name);
        self.attr(found.ok_or(Errno::ENOENT)?.0)
    }

    fn make(&self, parent: u64, name: &OsStr) -> Result<FileAttr, Errno> {
        match self.node(parent)? {
            Node::Reports => self.attr(self.state.make(Self::name(name)?)? << ENTRY_SHIFT),
            _ => Err(Errno::EPERM),
        }
    }

    fn remove(&self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        match self.node(parent)? {
            Node::Reports => self.state.remove(Self::name(name)?),
            _ => Err(Errno::EPERM),
        }
    }
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.look_up(parent.0, name) {
            Ok(attr) => reply.entry(&TTL, &attr, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attr(inode.0) {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(errno) => reply.error(errno),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        _size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        // A shell that writes an attribute truncates it first.
        match self.attr(inode.0) {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(errno) => reply.error(errno),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        match self.make(parent.0, name) {
            Ok(attr) => reply.entry(&TTL, &attr, Generation(0)),
            Err(errno) => reply.error(errno),
        }
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        match self.remove(parent.0, name) {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn mknod(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(Errno::EPERM);
    }

    fn unlink(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EPERM);
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let file = self.next.fetch_add(1, Ordering::Relaxed);
        // Sizes are not known beforehand, and a cache would answer for others' writes.
        reply.opened(FileHandle(file), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        file: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.read_at(inode.0, file.0, offset, size) {
            Ok(data) => reply.data(&data),
            Err(errno) => reply.error(errno),
        }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        file: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.write_at(inode.0, file.0, offset, data) {
            Ok(written) => reply.written(written),
            Err(errno) => reply.error(errno),
        }
    }

    fn flush(&self, _: &Request, inode: INodeNo, file: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        let written = self.files().get_mut(&file.0).and_then(|file| file.written.take());
        if let (Some(inblob), Ok(Node::Attribute(id, Attribute::Inblob))) = (written, self.node(inode.0)) {
            self.state.close_inblob(id, inblob);
        }
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        file: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.files().remove(&file.0);
        reply.ok();
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let children = match self.children(inode.0) {
            Ok(children) => children,
            Err(errno) => return reply.error(errno),
        };
        let own = [(inode.0, ".".to_owned()), (inode.0, "..".to_owned())];
        for (next, (inode, name)) in (1..).zip(own.into_iter().chain(children)) {
            let kind = self.attr(inode).map_or(FileType::RegularFile, |attr| attr.kind);
            if next > offset && reply.add(INodeNo(inode), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn ioctl(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        command: u32,
        data: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        let device = matches!(self.node(inode.0), Ok(Node::TdxGuest));
        match data.get(..64) {
            Some(reportdata) if device && command == TDX_CMD_GET_REPORT0 => {
                reply.ioctl(0, &[reportdata, &self.state.tdreport(reportdata)].concat());
            }
            _ => reply.error(Errno::ENOTTY),
        }
    }
}
