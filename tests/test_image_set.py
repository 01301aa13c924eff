"""Images from IDX files: what is read, and what a person is told when it cannot be."""

from __future__ import annotations

import gzip
import hashlib
import io
import socket
import struct
import sys
import threading
import tracemalloc
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vgrad.errors import DataError
from vgrad.parts import download, idx, image_set
from vgrad.parts.image_set import FASHION_MNIST, FILES, MNIST
from vgrad.parts.images import fashion_mnist, mnist

SUBSET = Path(__file__).parents[2] / "shared" / "data" / "mnist-subset"
SIZES = (7_500, 10_000) if SUBSET.is_dir() else (20, 12)
IMAGES, LABELS = FILES["train"]


def idx_bytes(array, magic=None, shape=None):
    magic = magic or 0x0800 + array.ndim
    shape = shape or array.shape
    return struct.pack(f">{1 + len(shape)}I", magic, *shape) + array.astype(np.uint8).tobytes()


def write(path, content):
    path.write_bytes(gzip.compress(content, mtime=0))


def write_images(folder, train=20, test=12):
    """Four files as MNIST's, whose first labels are those of the real ones."""
    rng = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for part, count, first in (("train", train, [5, 0, 4, 1, 9]), ("test", test, [7, 2, 1, 0, 4])):
        images, labels = FILES[part]
        classes = np.resize(first, count)
        write(folder / images, idx_bytes(rng.integers(0, 256, (count, 28, 28))))
        write(folder / labels, idx_bytes(classes))
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_images(tmp_path / "images")


@pytest.fixture
def root(folder):
    return str(SUBSET if SUBSET.is_dir() else folder)


# Files that are as they should be


def test_mnist_is_read_in_its_own_order(root):
    data = mnist(root=root)
    assert (len(data.train_x), len(data.test_x)) == SIZES
    assert data.train_y[:5].tolist() == [5, 0, 4, 1, 9]
    assert data.test_y[:5].tolist() == [7, 2, 1, 0, 4]


def test_more_images_than_a_folder_holds_is_refused_with_how_many_it_holds(root):
    with pytest.raises(DataError, match=rf"data.train_size=10000000, .* 1 to {SIZES[0]}\."):
        mnist(root=root, train_size=10_000_000)


def test_images_without_variance_cannot_be_standardised(folder):
    write(folder / IMAGES, idx_bytes(np.full((20, 28, 28), 7)))
    with pytest.raises(DataError, match=r"no variance to scale by.*data.scale=unit"):
        mnist(root=str(folder))
    assert mnist(root=str(folder), scale="unit").train_x.max() == np.float32(7 / 255)


def test_files_may_be_unpacked(folder):
    packed = mnist(root=str(folder))
    for path in list(folder.iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(mnist(root=str(folder)).train_x, packed.train_x)


# Folders and files that are not as they should be


@pytest.mark.parametrize("missing", [name for pair in FILES.values() for name in pair])
def test_a_missing_file_is_named(missing, folder):
    (folder / missing).unlink()
    with pytest.raises(DataError, match=f"holds no {missing}. Needed are train-images"):
        mnist(root=str(folder))


def test_a_folder_that_is_not_there_is_answered_with_the_nearest(folder):
    with pytest.raises(DataError, match=r"no such folder. Did you mean '.*images'\?"):
        mnist(root=f"{folder}s")


@pytest.mark.parametrize("nowhere", ["/nowhere", "/nowhere/at/all", "a" * 5000, "\0", "~nobody/x"])
def test_a_root_that_cannot_be_a_folder_is_refused(nowhere):
    with pytest.raises(DataError, match="there is no such folder"):
        mnist(root=nowhere)


def test_a_file_is_no_root(folder):
    with pytest.raises(DataError, match=f"{IMAGES} is a file; name the folder"):
        mnist(root=str(folder / IMAGES))


def real_images(count=20):
    return idx_bytes(np.arange(count * 784).reshape(count, 28, 28) % 256)


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x10]) + content[middle + 1 :]


DAMAGE = {
    "an empty file": (b"", "is cut short"),
    "a header that is cut": (gzip.compress(real_images()[:9]), "is cut short"),
    "gzip that is cut": (gzip.compress(real_images())[:-20], "is cut short"),
    "gzip without its checksum": (gzip.compress(real_images())[:-8], "is cut short"),
    "a payload that is cut": (gzip.compress(real_images()[:-1]), "is cut short"),
    "an unpacked payload that is cut": (real_images()[:-1], "is cut short"),
    "a flipped bit": (flipped(gzip.compress(real_images(), 0)), "is damaged: gzip cannot"),
    "a broken gzip header": (b"\x1f\x8b" + b"\xff" * 40, "is damaged: gzip cannot"),
    "labels in place of images": (
        gzip.compress(idx_bytes(np.zeros(20_000))),
        "no IDX file of images: its magic number is 2049, not 2051",
    ),
    "a web page": (b"<html>please log in</html>", "no IDX file of images: its magic number"),
    "other images": (
        gzip.compress(idx_bytes(np.zeros((20, 32, 31)))),
        "holds images of 32 x 31 pixels; they must be 28 x 28",
    ),
    "no images": (gzip.compress(idx_bytes(np.zeros((0, 28, 28)))), "is empty"),
    "an absurd number": (
        gzip.compress(idx_bytes(np.zeros(0), 2051, (2**32 - 1, 28, 28))),
        "promises 4294967295 items; at most 342392 of this size are read",
    ),
    "more than promised": (gzip.compress(real_images() + b"\0"), "holds more than the 20 items"),
    "fewer than labels": (
        gzip.compress(real_images(19)),
        f"holds 19 images and {LABELS} 20 labels: each image needs one label",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_by_name(damage, folder):
    content, message = DAMAGE[damage]
    (folder / IMAGES).write_bytes(content)
    with pytest.raises(DataError, match=f"{IMAGES} .*{message}") as caught:
        mnist(root=str(folder))
    assert "\n" not in str(caught.value)


def test_a_label_that_is_no_digit_is_refused(folder):
    write(folder / LABELS, idx_bytes(np.arange(20)))
    with pytest.raises(DataError, match=f"{LABELS} holds the label 19; valid are 0 to 9"):
        mnist(root=str(folder))


def test_a_file_that_cannot_be_read_is_refused(folder, monkeypatch):
    monkeypatch.setattr(Path, "open", partial(refuse, PermissionError(13, "Permission denied")))
    with pytest.raises(DataError, match=f"{IMAGES} cannot be read: Permission denied"):
        mnist(root=str(folder))


def refuse(error, *_):
    raise error


def test_no_more_is_unpacked_than_the_header_promises(tmp_path):
    bomb = tmp_path / "bomb.gz"
    write(bomb, real_images() + bytes(2**26))
    tracemalloc.start()
    with pytest.raises(DataError, match="holds more than the 20 items"):
        idx.read(bomb, (28, 28))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21


WHOLE = gzip.compress(idx_bytes(np.arange(40)), mtime=0)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, len(WHOLE)), end=st.integers(0, len(WHOLE)), middle=st.binary())
def test_any_bytes_are_read_or_refused(tmp_path, start, end, middle):
    path = tmp_path / "labels"
    path.write_bytes(WHOLE[:start] + middle + WHOLE[end:])
    with suppress(DataError):
        assert 0 < len(idx.read(path, ())) <= path.stat().st_size


# Downloads


class Mirror(BaseHTTPRequestHandler):
    """Answers with what the server's `answer` gives for a file's name: status, length, bytes."""

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        self.server.asked.append(name)
        status, length, content = self.server.answer(name)
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def mirror(monkeypatch):
    """Starts loopback servers: `mirror(answer)` returns one, with its `address` and `asked`."""
    monkeypatch.setenv("NO_PROXY", "*")
    servers = []

    def start(answer):
        server = HTTPServer(("127.0.0.1", 0), Mirror)
        server.answer, server.asked = answer, []
        server.address = f"http://127.0.0.1:{server.server_port}/mnist/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return server

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("VGRAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mnist"


@pytest.fixture
def no_network(monkeypatch):
    """An address at which nothing listens."""
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    return f"http://127.0.0.1:{port}/"


@pytest.fixture
def published(folder, monkeypatch):
    """Makes `data=mnist` the small files of `folder`, to be had from the given mirrors."""

    def publish(*mirrors, of=MNIST):
        md5 = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
        monkeypatch.setattr(image_set, of.name.upper(), replace(of, mirrors=mirrors, md5=md5))

    return publish


@pytest.fixture
def good(folder):
    def answer(name):
        content = (folder / name).read_bytes()
        return 200, len(content), content

    return answer


def test_mnist_is_downloaded_once_and_then_read_from_the_cache(
    mirror, good, cache, published, folder, capsys
):
    server = mirror(good)
    published(server.address)
    np.testing.assert_array_equal(mnist().train_x, mnist(root=str(folder)).train_x)
    assert sorted(server.asked) == sorted(path.name for path in cache.iterdir())
    mnist()
    assert len(server.asked) == 4
    assert capsys.readouterr() == ("", "")


def test_fashion_mnist_has_a_folder_of_its_own(mirror, good, cache, published, folder):
    published(mirror(good).address, of=FASHION_MNIST)
    np.testing.assert_array_equal(fashion_mnist().train_x, mnist(root=str(folder)).train_x)
    names = {path.name for path in (cache.parent / "fashion_mnist").iterdir()}
    assert names == FASHION_MNIST.md5.keys() == MNIST.md5.keys()
    assert not FASHION_MNIST.md5.items() & MNIST.md5.items()


BROKEN_MIRRORS = {
    "a wrong checksum": (lambda _: (200, 5, b"wrong"), "the checksum is wrong"),
    "a short body": (lambda _: (200, 5000, b"short"), "the transfer broke off"),
    "not found": (lambda _: (404, 4, b"none"), "HTTP status 404"),
    "a fault of the server": (lambda _: (503, 4, b"none"), "HTTP status 503"),
}


@pytest.mark.parametrize("fault", BROKEN_MIRRORS)
def test_after_a_mirror_that_fails_the_next_is_tried(fault, mirror, good, cache, published):
    broken, whole = mirror(BROKEN_MIRRORS[fault][0]), mirror(good)
    published(broken.address, whole.address)
    assert len(mnist().train_x) == 20
    assert (len(broken.asked), len(whole.asked)) == (1, 4)


@pytest.mark.parametrize("fault", BROKEN_MIRRORS)
def test_a_broken_download_is_never_left_in_the_cache(fault, mirror, cache, published):
    answer, reason = BROKEN_MIRRORS[fault]
    published(mirror(answer).address)
    with pytest.raises(DataError, match=rf"\(127.0.0.1:\d+: {reason}\)"):
        mnist()
    assert list(cache.iterdir()) == []


def test_a_file_that_one_mirror_lacks_comes_from_the_next(mirror, good, cache, published):
    first = mirror(lambda name: (404, 0, b"") if name == LABELS else good(name))
    second = mirror(good)
    published(first.address, second.address)
    mnist()
    assert first.asked[-1] == LABELS == second.asked[0]
    assert sorted(first.asked[:-1] + second.asked) == sorted(MNIST.md5)


def test_a_damaged_file_in_the_cache_is_fetched_again(mirror, good, cache, published):
    server = mirror(good)
    published(server.address)
    mnist()
    (cache / IMAGES).write_bytes(b"damaged")
    mnist()
    assert server.asked[4:] == [IMAGES]


def test_without_a_network_one_line_says_what_to_do(no_network, cache, monkeypatch):
    mirrors = (no_network, no_network.replace("127.0.0.1", "localhost"))
    monkeypatch.setattr(image_set, "MNIST", replace(MNIST, mirrors=mirrors))
    with pytest.raises(DataError) as caught:
        mnist()
    message = str(caught.value)
    assert "\n" not in message
    assert message.count("no connection") == 2
    assert all(name in message for name in MNIST.md5)
    assert str(cache) in message
    assert "data.root=FOLDER" in message
    assert "data=digits needs no download" in message


def test_a_mirror_that_does_not_answer_is_given_up(cache, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(download, "TIMEOUT", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        monkeypatch.setattr(image_set, "MNIST", replace(MNIST, mirrors=(address,)))
        with pytest.raises(DataError, match="no answer in time"):
            mnist()


def test_a_cache_that_cannot_be_written_is_said_so(no_network, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("VGRAD_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(image_set, "MNIST", replace(MNIST, mirrors=(no_network,)))
    with pytest.raises(DataError, match=r"file/mnist cannot be written: .*VGRAD_CACHE"):
        mnist()


def test_on_a_terminal_the_download_shows_a_bar(mirror, good, cache, published, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    published(mirror(good).address)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    mnist()
    assert all(name in sys.stderr.getvalue() for name in MNIST.md5)
    assert "bytes" in sys.stderr.getvalue()


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("VGRAD_CACHE", str(tmp_path))
    assert image_set.cache_folder() == tmp_path
    monkeypatch.delenv("VGRAD_CACHE")
    assert image_set.cache_folder().name == "vgrad"
