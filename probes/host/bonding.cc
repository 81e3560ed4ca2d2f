#include "probes/host/files.h"
#include "probes/host/text.h"

namespace tocsin::host {
namespace {

constexpr Family kSlaves{"node_bonding_slaves", "gauge", "Interfaces that the bond should have."};
constexpr Family kActive{"node_bonding_active", "gauge", "Interfaces of the bond whose link is up."};

/// The link's state as the bond sees it; kernels before 3.x named the folder differently.
std::string mii_status(const std::string& bond, std::string_view slave) {
  for (const std::string_view prefix : {"lower_", "slave_"}) {
    std::string status = read_word(fmt::format("{}/{}{}/bonding_slave/mii_status", bond, prefix, slave));
    if (!status.empty()) return status;
  }
  return {};
}

}  // namespace

const Collector kBonding{"bonding", true, [](const Config& config, Clock&) -> Collect {
                           return [net = config.sys("class/net")](Samples& out) -> Result<void> {
                             if (!exists(net + "/bonding_masters")) return no_data();
                             const std::string masters = read_word(net + "/bonding_masters");
                             std::string_view rest = masters;
                             for (auto master = next_word(rest); !master.empty(); master = next_word(rest)) {
                               const std::string bond = fmt::format("{}/{}", net, master);
                               const std::string slaves = read_word(bond + "/bonding/slaves");
                               std::string_view left = slaves;
                               double count = 0;
                               double up = 0;
                               for (auto slave = next_word(left); !slave.empty(); slave = next_word(left)) {
                                 ++count;
                                 if (mii_status(bond, slave) == "up") ++up;
                               }
                               out.add(kSlaves, {{"master", master}}, count);
                               out.add(kActive, {{"master", master}}, up);
                             }
                             return {};
                           };
                         }};

}  // namespace tocsin::host
