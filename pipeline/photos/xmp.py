"""Joins, splits and updates XMP packets (ISO 16684-1, Adobe's XMP specification part 3)."""

import hashlib
import re
import struct
from collections.abc import Iterator, Sequence
from xml.dom import minidom
from xml.parsers.expat import ExpatError

EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
RDF, NOTE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://ns.adobe.com/xmp/note/"
TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
CAMERA_RAW = "http://ns.adobe.com/camera-raw-settings/1.0/"
CAMERA = "http://ns.google.com/photos/1.0/camera/"
GAIN_MAPS = ("http://ns.adobe.com/hdr-gain-map/1.0/", "http://ns.apple.com/HDRGainMap/1.0/")
CONTAINERS = ("http://ns.google.com/photos/1.0/container/", "http://ns.google.com/photos/dd/1.0/device/")
THUMBNAILS = ("http://ns.adobe.com/xap/1.0/", "Thumbnails")
VIDEO = re.compile("MicroVideo|MotionPhoto")
GUID_BYTES, PIECE_BYTES = 32, 65_000
DAMAGED = "its XMP is damaged: it was copied unchanged"

Property = tuple[minidom.Element, minidom.Attr | minidom.Element]


def joined(packet: bytes, extensions: Sequence[bytes]) -> tuple[bytes, tuple[str, ...]]:
    """Join a JPEG's main packet and the pieces of its extension; return the packet and warnings."""
    if not extensions:
        return packet, ()
    main, extension = _parsed(packet), _parsed(_reassembled(packet, extensions))
    if main is None or extension is None:
        return packet, ("its extended XMP is damaged and was not kept",)
    target = next(iter(main.getElementsByTagNameNS(RDF, "RDF")), None)
    if target is None:
        return packet, ("its extended XMP is damaged and was not kept",)
    for description in _descriptions(extension):
        _declare(description)
        target.appendChild(main.importNode(description, True))
    for owner, one in list(_properties(main)):
        if (one.namespaceURI, one.localName) == (NOTE, "HasExtendedXMP"):
            _remove(owner, one)
    return _text(main), ()


def split(packet: bytes, most_bytes: int) -> tuple[bytes, list[bytes], tuple[str, ...]]:
    """Split a packet for JPEG: return the main packet, the pieces of its extension, and warnings.

    The largest properties are moved to the extension until the main packet fits.
    """
    if len(packet) <= most_bytes:
        return packet, [], ()
    main, extension = _parsed(packet), _parsed(packet)
    if main is None or extension is None:
        return b"", [], ("its XMP is damaged and too long for JPEG: it was not kept",)
    pairs = list(zip(_properties(main), _properties(extension), strict=True))
    elements = [pair for pair in pairs if isinstance(pair[0][1], minidom.Element)]
    elements.sort(key=lambda pair: len(pair[0][1].toxml()), reverse=True)
    kept = set(map(id, (pair[1][1] for pair in pairs)))
    for (owner, one), (_, other) in elements:
        if len(_text(main)) <= most_bytes - 200:
            break
        _remove(owner, one)
        kept.discard(id(other))
    for owner, other in _properties(extension):
        if id(other) in kept:
            _remove(owner, other)
    whole = _bare(extension)
    guid = hashlib.md5(whole, usedforsecurity=False).hexdigest().upper()
    description = _descriptions(main)[0]
    description.setAttributeNS("http://www.w3.org/2000/xmlns/", "xmlns:xmpNote", NOTE)
    description.setAttributeNS(NOTE, "xmpNote:HasExtendedXMP", guid)
    starts = range(0, len(whole), PIECE_BYTES)
    head = guid.encode() + struct.pack(">I", len(whole))
    pieces = [head + struct.pack(">I", start) + whole[start : start + PIECE_BYTES] for start in starts]
    if len(_text(main)) > most_bytes:
        return b"", [], ("its XMP is too long for JPEG: it was not kept",)
    return _text(main), pieces, ()


def corrected(packet: bytes, width: int, height: int) -> bytes:
    """Update orientation and size, and remove references to video, gain map and previews."""
    parsed = _parsed(packet)
    if parsed is None:
        return re.sub(rb"(tiff:Orientation(?:=[\"']|>))[2-8](?=[\"'<])", rb"\g<1>1", packet)
    numbers = {
        (TIFF, "Orientation"): 1,
        **dict.fromkeys([(TIFF, "ImageWidth"), (EXIF, "PixelXDimension")], width),
        **dict.fromkeys([(TIFF, "ImageLength"), (EXIF, "PixelYDimension")], height),
    }
    changed = False
    for owner, one in list(_properties(parsed)):
        name = (one.namespaceURI, one.localName)
        if _is_lost(one):
            _remove(owner, one)
            changed = True
        elif name in numbers and _value(one) != str(numbers[name]):
            _set_value(parsed, one, str(numbers[name]))
            changed = True
    return _text(parsed) if changed else packet


def without_settings(packet: bytes) -> bytes:
    """Remove the settings of Camera Raw: other programs would apply them to a developed photo once more."""
    if CAMERA_RAW.encode() not in packet:
        return packet
    parsed = _parsed(packet)
    if parsed is None:
        return b""
    for owner, one in list(_properties(parsed)):
        if one.namespaceURI == CAMERA_RAW:
            _remove(owner, one)
    return _text(parsed)


def promises_video(packet: bytes) -> bool:
    return any(one.namespaceURI == CAMERA and VIDEO.search(one.localName) for one in _of(packet))


def promises_gain_map(packet: bytes) -> bool:
    return any(one.namespaceURI in GAIN_MAPS for one in _of(packet))


def _is_lost(one: minidom.Attr | minidom.Element) -> bool:
    """Tell whether a property describes parts of the file that are lost, or shows the original photo."""
    if one.namespaceURI == CAMERA:
        return bool(VIDEO.search(one.localName))
    return one.namespaceURI in GAIN_MAPS + CONTAINERS or (one.namespaceURI, one.localName) == THUMBNAILS


def _of(packet: bytes) -> list[minidom.Attr | minidom.Element]:
    parsed = _parsed(packet)
    return [one for _, one in _properties(parsed)] if parsed else []


def _parsed(packet: bytes) -> minidom.Document | None:
    # Document types can reference files and expand without limit (entity attacks); XMP never has one.
    if not packet or b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
        return None
    try:
        return minidom.parseString(packet.strip(b"\0"))
    except (ExpatError, ValueError, RecursionError):
        return None


def _descriptions(document: minidom.Document) -> list[minidom.Element]:
    """Return the top-level descriptions; descriptions inside a property are its value."""
    found = document.getElementsByTagNameNS(RDF, "Description")
    return [one for one in found if getattr(one.parentNode, "localName", "") == "RDF"]


def _properties(document: minidom.Document) -> Iterator[Property]:
    """Yield the properties of all top-level descriptions: attributes and elements."""
    for description in _descriptions(document):
        for attribute in list(description.attributes.values()):
            if attribute.namespaceURI not in (RDF, "http://www.w3.org/2000/xmlns/", None):
                yield description, attribute
        for child in list(description.childNodes):
            if child.nodeType == child.ELEMENT_NODE:
                yield description, child


def _remove(owner: minidom.Element, one: minidom.Attr | minidom.Element) -> None:
    owner.removeAttributeNode(one) if isinstance(one, minidom.Attr) else owner.removeChild(one)


def _value(one: minidom.Attr | minidom.Element) -> str:
    return (
        one.value
        if isinstance(one, minidom.Attr)
        else "".join(node.data for node in one.childNodes if node.nodeType == node.TEXT_NODE)
    )


def _set_value(document: minidom.Document, one: minidom.Attr | minidom.Element, value: str) -> None:
    if isinstance(one, minidom.Attr):
        one.value = value
        return
    for child in list(one.childNodes):
        one.removeChild(child)
    one.appendChild(document.createTextNode(value))


def _declare(description: minidom.Element) -> None:
    """Copy namespace declarations from the parents of a description."""
    node = description.parentNode
    while node is not None and node.nodeType == node.ELEMENT_NODE:
        for name, value in node.attributes.items():
            if name.startswith("xmlns:") and not description.hasAttribute(name):
                description.setAttribute(name, value)
        node = node.parentNode


def _text(document: minidom.Document) -> bytes:
    """Return the packet as text, without an XML declaration."""
    return b"".join(node.toxml().encode() for node in document.childNodes)


def _bare(document: minidom.Document) -> bytes:
    """Return the packet without its wrapper, which extensions do not have."""
    assert document.documentElement is not None
    return document.documentElement.toxml().encode()


def _reassembled(packet: bytes, extensions: Sequence[bytes]) -> bytes:
    """Join the extension that the main packet references; b'' if a piece is missing."""
    pieces, size = {}, 0
    for extension in extensions:
        guid, rest = extension[:GUID_BYTES], extension[GUID_BYTES:]
        if guid in packet and len(rest) > 8:
            size, start = struct.unpack_from(">II", rest)
            pieces[start] = rest[8:]
    whole = b"".join(pieces[start] for start in sorted(pieces))
    return whole if len(whole) == size else b""
