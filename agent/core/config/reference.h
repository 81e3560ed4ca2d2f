#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/core/config/fields.h"

namespace tocsin {

/// The Markdown reference of one table of the configuration: a heading `[path]` or `[[path]]` (a path of "" has none),
/// `intro` below it, one row for each plain field, and then the same for every nested table.
///
///     config_reference("probe", describe_config<ProbeConfig>(), true, "What is watched.")
std::string config_reference(std::string_view path, const std::vector<FieldDoc>& fields, bool is_list = false,
                             std::string_view intro = "");

}  // namespace tocsin
