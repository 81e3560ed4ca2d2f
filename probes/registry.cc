// The list of all types of probes. A new type is its .cc file, its declaration in registry.h and one row here.

#include "probes/registry.h"

namespace tocsin {

std::span<const ProbeType> probe_types() {
  static const std::vector<ProbeType> types = {
      kDnsProbe, kExecProbe, kHeartbeatProbe, kHostProbe, kHttpProbe, kIcmpProbe, kScrapeProbe, kTcpProbe,
  };
  return types;
}

const ProbeType* find_probe_type(std::string_view name) {
  for (const ProbeType& type : probe_types()) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

}  // namespace tocsin
