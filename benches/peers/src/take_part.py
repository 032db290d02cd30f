"""Drives libtorrent-rasterbar for a bench.

take_part.py make CONTENT TRACKER TORRENT     describes a file
take_part.py seed TORRENT FOLDER ADDRESS:PORT MARK
take_part.py fetch TORRENT FOLDER ADDRESS:PORT MARK

seed and fetch take part until they are killed, and make the file MARK once they have everything. fetch waits for
TORRENT to appear, so that starting Python costs it nothing.
"""

import os
import sys
import time

import libtorrent as lt


def make(content, tracker, torrent):
    files = lt.file_storage()
    lt.add_files(files, content)
    # v1_only, which the binding of Debian 12 does not name: not every program knows version 2.
    description = lt.create_torrent(files, flags=1 << 6)
    description.add_tracker(tracker)
    lt.set_piece_hashes(description, os.path.dirname(content))
    with open(torrent, "wb") as file:
        file.write(lt.bencode(description.generate()))


def take_part(torrent, folder, listen, mark):
    session = lt.session(
        {
            "listen_interfaces": listen,
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_incoming_utp": False,
            "enable_outgoing_utp": False,
            "allow_multiple_connections_per_ip": True,
            "min_announce_interval": 1,
        }
    )
    print("waiting", flush=True)
    while not os.path.exists(torrent):
        time.sleep(0.01)
    handle = session.add_torrent({"ti": lt.torrent_info(torrent), "save_path": folder})
    while not handle.status().is_seeding:
        time.sleep(0.02)
    open(mark, "w").close()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(*sys.argv[2:])
    else:
        take_part(*sys.argv[2:])
