//! Writing HDF5 as h5py does by default: the format's first version, which every reader knows.
//!
//! Whatever is written goes straight to the disk, so that a file may be larger than memory; only
//! names and addresses are kept. (`hdf5-pure` writes as well, but holds all content until the end.)
//! Sections are those of the HDF5 File Format Specification, version 3.0
//! (docs.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html).

use std::io::{Result, Seek, SeekFrom, Write};

/// "There is no such address".
const NOWHERE: u64 = u64::MAX;
/// Bytes of the superblock, version 0 (II.A).
const SUPERBLOCK: u64 = 96;
/// Half the entries of a node of symbols, and half the children of a tree's node: the usual values.
const SYMBOLS: usize = 4;
const CHILDREN: usize = 16;
/// Bytes of a global heap at least (III.E).
const HEAP: usize = 4096;
/// Types of messages in an object's header (IV.A.2).
const DATASPACE: u16 = 0x01;
const DATATYPE: u16 = 0x03;
const FILL_VALUE: u16 = 0x05;
const LAYOUT: u16 = 0x08;
const ATTRIBUTE: u16 = 0x0c;
const SYMBOL_TABLE: u16 = 0x11;

/// Where an object's header lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(u64);

/// The value of an attribute.
#[derive(Debug, Clone, Copy)]
pub enum Attribute<'a> {
    /// A whole number of 64 bits.
    Count(u64),
    /// A text of variable length, as Python's `str` becomes.
    Text(&'a str),
    /// A short text that lies in the header itself.
    Short(&'a str),
}

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Floating-point numbers of 64 bits.
    F64,
    /// Whole numbers of 64 bits.
    I64,
    /// Bytes.
    U8,
    /// Texts of so many bytes, shorter ones padded with zeros.
    Text(u32),
}

impl Element {
    fn size(self) -> u32 {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::U8 => 1,
            Self::Text(size) => size,
        }
    }

    /// The message of a type (IV.A.2.d), little endian.
    fn datatype(self) -> Vec<u8> {
        let (class, bits, properties): (u8, [u8; 3], Vec<u8>) = match self {
            // Sign at bit 63; 52 bits of mantissa without its leading 1; 11 of exponent from 52 on.
            Self::F64 => {
                let parts = [0, 0, 64, 0, 52, 11, 0, 52, 0xff, 0x03, 0, 0];
                (1, [0x20, 63, 0], parts.to_vec())
            }
            Self::I64 => (0, [0x08, 0, 0], vec![0, 0, 64, 0]),
            Self::U8 => (0, [0, 0, 0], vec![0, 0, 8, 0]),
            // Padded with zeros, ASCII.
            Self::Text(_) => (3, [0x01, 0, 0], Vec::new()),
        };
        typed(class, bits, self.size(), &properties)
    }
}

/// A datatype's message: version 1.
fn typed(class: u8, bits: [u8; 3], size: u32, properties: &[u8]) -> Vec<u8> {
    let mut message = vec![0x10 | class];
    message.extend(bits);
    message.extend(size.to_le_bytes());
    message.extend(properties);
    message
}

/// A dataspace's message (IV.A.2.b), version 1: no lengths, a single value.
fn dataspace(shape: &[usize]) -> Vec<u8> {
    let mut message = vec![1, shape.len() as u8, 0, 0, 0, 0, 0, 0];
    for &length in shape {
        message.extend((length as u64).to_le_bytes());
    }
    message
}

/// Fills up to a multiple of 8 bytes.
fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// An object's header, version 1 (IV.A.1.a).
fn header(messages: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, message) in messages {
        let message = padded(message.clone());
        body.extend(kind.to_le_bytes());
        body.extend((message.len() as u16).to_le_bytes());
        body.extend([0; 4]);
        body.extend(message);
    }
    let mut header = vec![1, 0];
    header.extend((messages.len() as u16).to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    header.extend((body.len() as u32).to_le_bytes());
    header.extend([0; 4]);
    header.extend(body);
    header
}

/// An attribute's message (IV.A.2.m), version 1.
fn attribute(name: &str, datatype: &[u8], data: &[u8]) -> Vec<u8> {
    let name = format!("{name}\0").into_bytes();
    let space = dataspace(&[]);
    let mut message = vec![1, 0];
    for part in [&name[..], datatype, &space] {
        message.extend((part.len() as u16).to_le_bytes());
    }
    for part in [name, datatype.to_vec(), space] {
        message.extend(padded(part));
    }
    message.extend(data);
    message
}

/// A file that is being written.
pub struct Writer<W> {
    out: W,
    /// Bytes that were written.
    at: u64,
}

impl<W: Write + Seek> Writer<W> {
    /// Begins at the start of an empty file.
    ///
    /// # Errors
    /// Those of the disk, as in all that follows.
    pub fn begin(mut out: W) -> Result<Self> {
        out.write_all(&[0; SUPERBLOCK as usize])?;
        Ok(Self {
            out,
            at: SUPERBLOCK,
        })
    }

    /// Writes something, at a multiple of 8 bytes; where it begins.
    fn put(&mut self, bytes: &[u8]) -> Result<u64> {
        let start = self.at.next_multiple_of(8);
        let gap = (start - self.at) as usize;
        self.out.write_all(&[0; 8][..gap])?;
        self.out.write_all(bytes)?;
        self.at = start + bytes.len() as u64;
        Ok(start)
    }

    /// Writes an array, whose rows `rows` gives one after the other.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn array<R: AsRef<[u8]>>(
        &mut self,
        element: Element,
        shape: &[usize],
        rows: impl Iterator<Item = R>,
    ) -> Result<Address> {
        let start = self.put(&[])?;
        for row in rows {
            let row = row.as_ref();
            self.out.write_all(row)?;
            self.at += row.len() as u64;
        }
        let size = self.at - start;
        let whole = shape.iter().product::<usize>() as u64 * u64::from(element.size());
        debug_assert_eq!(size, whole, "an array is as large as its shape says");
        // In one piece: version 3, class 1 (IV.A.2.i).
        let mut layout = vec![3, 1];
        layout.extend(start.to_le_bytes());
        layout.extend(size.to_le_bytes());
        // Allocated late, written if set, the usual value: version 2 (IV.A.2.f).
        let fill = vec![2, 2, 2, 1, 0, 0, 0, 0];
        let messages = [
            (DATASPACE, dataspace(shape)),
            (DATATYPE, element.datatype()),
            (FILL_VALUE, fill),
            (LAYOUT, layout),
        ];
        self.put(&header(&messages)).map(Address)
    }

    /// Writes numbers, `width` for each row; 0: a list of single numbers.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn numbers(&mut self, width: usize, numbers: &[f32]) -> Result<Address> {
        let rows = numbers.chunks(width.max(1));
        let shape = [rows.len(), width];
        let shape = if width == 0 { &shape[..1] } else { &shape };
        let bytes = rows.map(|row| {
            let numbers = row.iter().map(|&number| f64::from(number).to_le_bytes());
            numbers.flatten().collect::<Vec<u8>>()
        });
        self.array(Element::F64, shape, bytes)
    }

    /// Writes a list of names.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn names(&mut self, names: &[String]) -> Result<Address> {
        let longest = names.iter().map(String::len).max().unwrap_or(0).max(1);
        let rows = names.iter().map(|name| {
            let mut row = name.clone().into_bytes();
            row.resize(longest, 0);
            row
        });
        self.array(Element::Text(longest as u32), &[names.len()], rows)
    }

    /// Writes a group of objects that were written before.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn group(
        &mut self,
        members: Vec<(String, Address)>,
        attributes: &[(&str, Attribute)],
    ) -> Result<Address> {
        let (tree, heap) = self.symbols(members)?;
        let table = [tree.to_le_bytes(), heap.to_le_bytes()].concat();
        let mut messages = vec![(SYMBOL_TABLE, table)];
        for (name, value) in attributes {
            messages.push((ATTRIBUTE, self.attribute(name, *value)?));
        }
        self.put(&header(&messages)).map(Address)
    }

    fn attribute(&mut self, name: &str, value: Attribute) -> Result<Vec<u8>> {
        match value {
            Attribute::Count(count) => {
                let datatype = Element::I64.datatype();
                Ok(attribute(name, &datatype, &count.to_le_bytes()))
            }
            Attribute::Short(text) => {
                let size = text.len().max(1) as u32;
                // Padded with zeros, UTF-8.
                let datatype = typed(3, [0x11, 0, 0], size, &[]);
                let mut data = text.as_bytes().to_vec();
                data.resize(size as usize, 0);
                Ok(attribute(name, &datatype, &data))
            }
            Attribute::Text(text) => {
                // A string, ended by zero, UTF-8, of single characters.
                let characters = typed(3, [0x10, 0, 0], 1, &[]);
                let datatype = typed(9, [0x01, 0x01, 0], 16, &characters);
                let heap = self.global_heap(text.as_bytes())?;
                let mut data = (text.len() as u32).to_le_bytes().to_vec();
                data.extend(heap.to_le_bytes());
                data.extend(1_u32.to_le_bytes());
                Ok(attribute(name, &datatype, &data))
            }
        }
    }

    /// Writes a global heap of one object, number 1 (III.E).
    fn global_heap(&mut self, object: &[u8]) -> Result<u64> {
        let used = 16 + 16 + object.len().next_multiple_of(8);
        let size = used.max(HEAP);
        let mut heap = b"GCOL\x01\0\0\0".to_vec();
        heap.extend((size as u64).to_le_bytes());
        heap.extend([1, 0, 1, 0, 0, 0, 0, 0]);
        heap.extend((object.len() as u64).to_le_bytes());
        heap.extend(object);
        heap.resize(used, 0);
        if size - used >= 16 {
            // What is free is object 0.
            heap.extend([0; 8]);
            heap.extend(((size - used) as u64).to_le_bytes());
        }
        heap.resize(size, 0);
        self.put(&heap)
    }

    /// Writes the names of a group's members (III.D), and the tree that finds them (III.A.1); where
    /// both are.
    fn symbols(&mut self, mut members: Vec<(String, Address)>) -> Result<(u64, u64)> {
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        // The first name is empty: it stands before all others.
        let mut names = vec![0; 8];
        let mut entries = Vec::new();
        for (name, address) in &members {
            entries.push((names.len() as u64, *address));
            names.extend(name.as_bytes());
            names.push(0);
            names = padded(names);
        }
        let text = self.put(&names)?;
        let mut heap = b"HEAP\0\0\0\0".to_vec();
        // No free space: 1.
        for number in [names.len() as u64, 1, text] {
            heap.extend(number.to_le_bytes());
        }
        let heap = self.put(&heap)?;
        let mut level = Vec::new();
        for some in entries.chunks(2 * SYMBOLS) {
            let last = some[some.len() - 1].0;
            level.push((self.put(&symbol_node(some))?, last));
        }
        let mut height = 0;
        loop {
            level = self.tree(&level, height)?;
            if let [(root, _)] = level[..] {
                return Ok((root, heap));
            }
            height += 1;
        }
    }

    /// Writes a level of a tree above these children, each with its greatest name; the same of its
    /// nodes.
    fn tree(&mut self, children: &[(u64, u64)], height: u8) -> Result<Vec<(u64, u64)>> {
        // A group without members has a node without children.
        let mut nodes: Vec<&[(u64, u64)]> = children.chunks(2 * CHILDREN).collect();
        if nodes.is_empty() {
            nodes.push(&[]);
        }
        let size = 24 + 16 * (2 * CHILDREN as u64) + 8;
        let first = self.put(&[])?;
        let place = |i: usize| first + i as u64 * size;
        let mut least = 0;
        let mut written = Vec::new();
        for (i, node) in nodes.iter().enumerate() {
            let left = i.checked_sub(1).map_or(NOWHERE, place);
            let right = if i + 1 < nodes.len() {
                place(i + 1)
            } else {
                NOWHERE
            };
            let mut bytes = b"TREE\0".to_vec();
            bytes.push(height);
            bytes.extend((node.len() as u16).to_le_bytes());
            bytes.extend(left.to_le_bytes());
            bytes.extend(right.to_le_bytes());
            bytes.extend(u64::to_le_bytes(least));
            for (child, greatest) in *node {
                bytes.extend(child.to_le_bytes());
                bytes.extend(greatest.to_le_bytes());
                least = *greatest;
            }
            bytes.resize(size as usize, 0);
            written.push((self.put(&bytes)?, least));
        }
        Ok(written)
    }

    /// Writes where everything begins, and flushes.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn finish(mut self, root: Address) -> Result<()> {
        let mut superblock = b"\x89HDF\r\n\x1a\n".to_vec();
        // Versions of the parts; 8 bytes for addresses and lengths.
        superblock.extend([0, 0, 0, 0, 0, 8, 8, 0]);
        superblock.extend((SYMBOLS as u16).to_le_bytes());
        superblock.extend((CHILDREN as u16).to_le_bytes());
        superblock.extend([0; 4]);
        for address in [0, NOWHERE, self.at, NOWHERE] {
            superblock.extend(u64::to_le_bytes(address));
        }
        superblock.extend(symbol(0, root));
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&superblock)?;
        self.out.flush()
    }
}

/// A node of symbols (III.B), always as long.
fn symbol_node(entries: &[(u64, Address)]) -> Vec<u8> {
    let mut node = b"SNOD\x01\0".to_vec();
    node.extend((entries.len() as u16).to_le_bytes());
    for &(name, address) in entries {
        node.extend(symbol(name, address));
    }
    node.resize(8 + 40 * 2 * SYMBOLS, 0);
    node
}

/// An entry of a symbol table (III.C), nothing of its object being repeated in it.
fn symbol(name: u64, Address(address): Address) -> Vec<u8> {
    let mut entry = name.to_le_bytes().to_vec();
    entry.extend(address.to_le_bytes());
    entry.resize(40, 0);
    entry
}
