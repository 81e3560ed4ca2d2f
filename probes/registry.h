#pragma once

#include "probes/probe.h"

/// The types of probes, one constant per .cc file; probes/registry.cc lists them.
namespace tocsin {

extern const ProbeType kDnsProbe;
extern const ProbeType kExecProbe;
extern const ProbeType kHeartbeatProbe;
extern const ProbeType kHostProbe;
extern const ProbeType kHttpProbe;
extern const ProbeType kIcmpProbe;
extern const ProbeType kScrapeProbe;
extern const ProbeType kTcpProbe;

}  // namespace tocsin
