#!/bin/sh
# pki.sh DIR: an authority and a signer for bundles of tests, good for a day and for nothing
# else: the key of the operator is none of this project's business.
set -eu
mkdir -p "$1"
cd "$1"
[ -e signer.pem ] && openssl x509 -checkend 3600 -noout -in signer.pem >/dev/null && exit 0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 30 -subj "/CN=Test of updates" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout signer.key -out signer.csr -subj "/CN=Signer of tests" 2>/dev/null
printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,codeSigning\n' >ext
openssl x509 -req -in signer.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -days 30 -out signer.pem 2>/dev/null
