"""`python -m local_cloud.servers.gateway --home .strongroom --certificate F --key F`: serves until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path


def main() -> None:
    """Reads the options and serves."""
    options = argparse.ArgumentParser(prog="gateway", description=__doc__)
    options.add_argument("--home", type=Path, required=True, help="the folder .strongroom")
    options.add_argument("--certificate", type=Path, required=True, help="TLS certificate chain (PEM)")
    options.add_argument("--key", type=Path, required=True, help="its private key (PEM)")
    options.add_argument("--ca", type=Path, help="CA certificate, written into the AWS configuration")
    options.add_argument("--port", type=int, default=0, help="main port; 0 takes any free one")
    options.add_argument("--kms-port", type=int, default=0, help="port of KMS; 0 takes any free one")
    options.add_argument("--identities", type=Path, help="JSON file of the users to make")
    options.add_argument("--accounts", default="", help="account ids that get an OrganizationAccountAccessRole")
    options.add_argument("--ready", type=Path, help="ready file; default HOME/cloud/gateway.json")
    given = options.parse_args()
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    from .serve import Config, serve  # after the options: importing moto takes a second

    serve(
        Config(
            home=given.home.resolve(),
            certificate=given.certificate,
            private_key=given.key,
            port=given.port,
            kms_port=given.kms_port,
            identities=given.identities,
            accounts=tuple(filter(None, given.accounts.split(","))),
            ready=given.ready,
            ca=given.ca,
        )
    )


if __name__ == "__main__":
    main()
