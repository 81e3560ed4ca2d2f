#include <sys/utsname.h>

#include <cerrno>
#include <cstring>

#include "probes/host/collector.h"

namespace tocsin::host {
namespace {
constexpr Family kInfo{"node_uname_info", "gauge", "What uname(2) says of the system; always 1."};
}  // namespace

const Collector kUname{"uname", true, [](const Config&, Clock&) -> Collect {
                         return [](Samples& out) -> Result<void> {
                           utsname names{};
                           if (::uname(&names) != 0) return fail("uname: {}", std::strerror(errno));
                           out.add(kInfo,
                                   {{"sysname", names.sysname},
                                    {"release", names.release},
                                    {"version", names.version},
                                    {"machine", names.machine},
                                    {"nodename", names.nodename},
                                    {"domainname", names.domainname}},
                                   1);
                           return {};
                         };
                       }};

}  // namespace tocsin::host
