#!/bin/sh
# Requests per second of one virtio queue that a guest in ring 3 drives itself: kvm and software CPU, split and packed rings.
set -eu
cd "$(dirname "$0")/../.."
VMM_FIGURES=1 dotnet test tests/Vmm.Guest.Tests -c Release --filter FullyQualifiedName~RingFigures --logger 'console;verbosity=detailed' | grep -E '/s|Failed|error'
