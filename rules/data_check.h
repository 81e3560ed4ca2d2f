#pragma once

#include "rules/promql/promql.h"

namespace tocsin {

/// How to tell, for an alert that came back after a restart and that its expression does not give, whether it is over
/// or whether only its data has not come back yet.
struct DataCheck {
  /// Gives an element for each alert whose data is there, whatever the verdict on it: `rate(errors[5m]) >bool 1` for
  /// `rate(errors[5m]) > 1`.
  promql::ExprPtr expr;
  /// Any element speaks for all alerts of the rule (absent()).
  bool for_all = false;
};

/// `expr` is null when the expression does not tell.
DataCheck data_check(const promql::ExprPtr& expr);

}  // namespace tocsin
