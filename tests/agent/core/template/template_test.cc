#include "agent/core/template/template.h"

#include <gtest/gtest.h>

#include <limits>

namespace tocsin::tmpl {
namespace {

using std::chrono::hours;

std::shared_ptr<const Functions> functions() {
  static const auto kBoth = [] {
    Functions all = prometheus_functions();
    all.merge(alertmanager_functions([] { return *parse_rfc3339("2026-01-02T03:04:05Z"); }));
    return std::make_shared<const Functions>(std::move(all));
  }();
  return kBoth;
}

Value data() {
  Value::Object object;
  object.type = "template.Data";
  object.fields = {
      {"Labels", Value(Map{{"job", "api"}, {"instance", "db1:9100"}})},
      {"None", Value(Map{})},
      {"Kv", kv({{"job", "api"}, {"alertname", "Down"}, {"zone", "eu"}})},
      {"Value", 1.5},
      {"Count", std::int64_t{3}},
      {"Yes", true},
      {"List", Value(List{Value("a"), Value("b"), Value("c")})},
      {"Empty", Value(List{})},
      {"At", *parse_rfc3339("2026-03-29T13:37:05.25Z")},
      {"For", Duration(hours(1) + std::chrono::milliseconds(2500))},
      {"Results", Value(List{query_result({{"job", "b"}, {"__value__", "x"}}, 2), query_result({{"job", "a"}}, 1)})},
      {"Html", "<a href=\"x\">'&"},
  };
  object.methods = {{"Double", [](std::span<const Value> args) -> Result<Value> {
                       if (args.empty()) return fail("nothing to double");
                       return Value(*args[0].as_int() * 2);
                     }}};
  return Value(std::move(object));
}

std::string expand(std::string_view text, const Limits& limits = {}) {
  const Result<Template> parsed = Template::parse("t", text, functions());
  if (!parsed) return "! " + parsed.error().message;
  const Result<std::string> out = parsed->execute(data(), limits);
  return out ? *out : "! " + out.error().message;
}

struct Row {
  const char* text;
  const char* want;
};

void check(std::initializer_list<Row> rows) {
  for (const Row& row : rows) EXPECT_EQ(expand(row.text), row.want) << row.text;
}

TEST(Template, KeepsTextAndTrimsAtMarkers) {
  check({{"", ""},
         {"plain", "plain"},
         {"a {{ 1 }} b", "a 1 b"},
         {"a {{- 1 -}} b", "a1b"},
         {"a\n\t {{- \"x\" -}} \n b", "axb"},
         {"a {{/* no\nthing */}} b", "a  b"},
         {"a {{- /* nothing */ -}} b", "ab"},
         {"{{-1}}", "-1"},
         {"{{ \"}}\" }}", "}}"}});
}

TEST(Template, FollowsFields) {
  check({{"{{.Labels.job}}", "api"},
         {"{{ $x := .Labels }}{{ $x.job }}", "api"},
         {"{{.Labels.nope}}", ""},
         {"{{.None.nope}}", ""},
         {"{{.Kv.nope}}|{{.Kv.job}}", "|api"},
         {"{{(index .List 1)}}", "b"},
         {"{{(first .Results).Labels.job}}", "b"},
         {"{{ (args 1 2).arg1 }}", "2"},
         {"{{ (args 1 2).nope }}", "<no value>"},
         {"{{ $.Labels.job }}", "api"},
         {"{{ .Double 4 }} {{ 5 | .Double }} {{ $.Double 6 }}", "8 10 12"},
         {"{{ with $x := 3 }}{{ $x }}{{ . }}{{ end }}", "33"}});
}

TEST(Template, BranchesAndLoops) {
  check({{"{{if .Yes}}y{{else}}n{{end}}", "y"},
         {"{{if not .Yes}}y{{else if eq .Count 3}}three{{else}}n{{end}}", "three"},
         {"{{if .Empty}}y{{else if .None}}z{{else}}n{{end}}", "n"},
         {"{{with .Empty}}y{{else with .Count}}{{.}}{{end}}", "3"},
         {"{{with .None}}y{{else}}n{{end}}", "n"},
         {"{{range .List}}{{.}},{{end}}", "a,b,c,"},
         {"{{range $e := .List}}{{$e}}{{end}}", "abc"},
         {"{{range $i, $e := .List}}{{$i}}{{$e}}{{end}}", "0a1b2c"},
         {"{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "instance=db1:9100;job=api;"},
         {"{{range .Empty}}x{{else}}none{{end}}", "none"},
         {"{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"},
         {"{{range .List}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"},
         {"{{$n := 0}}{{range .List}}{{$n = .}}{{end}}{{$n}}", "c"},
         {"{{$n := 0}}{{range .List}}{{$n := .}}{{end}}{{$n}}", "0"},
         {"{{$i := 9}}{{$e := 9}}{{range $i, $e = .List}}{{end}}{{$i}}{{$e}}", "2c"}});
}

TEST(Template, DefinesAndCallsTemplates) {
  check({{"{{define \"x\"}}[{{.}}]{{end}}{{template \"x\" .Count}}", "[3]"},
         {"{{template \"x\"}}{{define \"x\"}}[{{.}}]{{end}}", "[<no value>]"},
         {"{{block \"b\" .Labels}}{{.job}}{{end}}", "api"},
         {"{{define \"r\"}}{{template \"r\" .}}{{end}}{{template \"r\" .}}",
          "! template: t:1:25: executing \"r\" at <{{template \"r\" .}}>: exceeded maximum template depth (100)"}});
}

TEST(Template, ComparesAsGoDoes) {
  check({{"{{eq 1 1}} {{eq 1 2 1}} {{ne \"a\" \"b\"}} {{lt 1 2}} {{le 2 2}} {{gt 2.5 1.5}} {{ge \"b\" \"a\"}}",
          "true true true true true true true"},
         {"{{eq .Value 1}}",
          "! template: t:1:2: executing \"t\" at <eq .Value 1>: error calling eq: incompatible types for comparison"},
         {"{{lt .List 1}}",
          "! template: t:1:2: executing \"t\" at <lt .List 1>: error calling lt: invalid type for comparison"},
         {"{{and 1 0 2}} {{or 0 \"\" \"x\"}} {{or 0 \"\"}} {{and true \"z\"}}", "0 x  z"},
         {"{{or true (index .List 9)}}", "true"},
         {"{{and .Yes (not .Empty) | not}}", "false"}});
}

TEST(Template, IndexesSlicesAndCounts) {
  check({{"{{index .List 0}}{{index .Labels \"job\"}}{{index .Labels \"x\"}}", "aapi"},
         {"{{len .List}} {{len \"abc\"}} {{len .Labels}}", "3 3 2"},
         {"{{slice \"abcdef\" 1 3}} {{slice .List 1}}", "bc [b c]"},
         {"{{index .List 9}}",
          "! template: t:1:2: executing \"t\" at <index .List 9>: error calling index: index out of range: 9"},
         {"{{len 3}}", "! template: t:1:2: executing \"t\" at <len 3>: error calling len: len of type int"}});
}

TEST(Template, PrintsAsGoDoes) {
  check(
      {{"{{.Value}} {{1e6}} {{123456.0}} {{1e-5}} {{0.0001}} {{-0.5}} {{1e100}}",
        "1.5 1e+06 123456 1e-05 0.0001 -0.5 1e+100"},
       {"{{.List}} {{.Labels}} {{.Empty}} {{nil | print}}",
        "! template: t:1:35: executing \"t\" at <nil>: nil is not a command"},
       {"{{.List}} {{.Labels}} {{.Empty}} {{print nil}}", "[a b c] map[instance:db1:9100 job:api] [] <nil>"},
       {"{{.At}} {{.For}}", "2026-03-29 13:37:05.25 +0000 UTC 1h0m2.5s"},
       {"{{print 1 2 \"x\" 3 4}} {{println 1 \"x\"}}", "1 2x3 4 1 x\n"},
       {"{{0x1F}} {{017}} {{0b11}} {{1_000}} {{'a'}} {{'\\n'}}", "31 15 3 1000 97 10"},
       {"{{`raw\\n`}} {{\"a\\tb\\u00e9\\x41\"}}",
        "raw\\n a\tb\xc3\xa9"
        "A"},
       {"{{html .Html}} {{js \"a'b\"}} {{urlquery \"a b&c\"}}", "&lt;a href=&#34;x&#34;&gt;&#39;&amp; a\\'b a+b%26c"}});
}

TEST(Template, FormatsAsGoDoes) {
  check(
      {{"{{printf \"%d|%5d|%-5d|%05d|%+d|%x|%X|%o|%b|%c|%q|%U\" 42 42 42 42 42 255 255 8 5 97 97 97}}",
        "42|   42|42   |00042|+42|ff|FF|10|101|a|'a'|U+0061"},
       {"{{printf \"%f|%.2f|%8.2f|%e|%g|%G|%.3g|%06.1f|%+.1f\" 1.5 1.555 1.5 1500.0 1e21 1e-7 1234.5 2.5 2.5}}",
        "1.500000|1.55|    1.50|1.500000e+03|1e+21|1E-07|1.23e+03|0002.5|+2.5"},
       {"{{printf \"%s|%10s|%-4s|%q|%x|%.2s|%v|%t|%T\" \"a\" \"b\" \"c\" \"d\\n\" \"hi\" \"xyz\" .Value true .List}}",
        "a|         b|c   |\"d\\n\"|6869|xy|1.5|true|[]string"},
       {"{{printf \"%d\" \"x\"}} {{printf \"%d\"}} {{printf \"x\" 1}} {{printf \"%z\" 1}} {{printf \"%\"}} {{printf "
        "\"%%\"}}",
        "%!d(string=x) %!d(MISSING) x%!(EXTRA int=1) %!z(int=1) %!(NOVERB) %"},
       {"{{printf \"%[2]d %[1]d\" 1 2}} {{printf \"%*d\" 5 1}} {{printf \"%v %v\" nil .Labels}}",
        "2 1     1 <nil> map[instance:db1:9100 job:api]"},
       {"{{printf \"%d\" 1.5}} {{printf \"%.1f\" 1}} {{printf \"%s\" 1}}", "%!d(float64=1.5) %!f(int=1) %!s(int=1)"}});
}

TEST(Template, ReportsMistakesAsGoDoes) {
  check(
      {{"{{foo}}", "! template: t:1: function \"foo\" not defined"},
       {"\n{{ $x }}", "! template: t:2: undefined variable \"$x\""},
       {"{{if}}{{end}}", "! template: t:1: missing value for if"},
       {"{{if 1}}", "! template: t:1: unexpected EOF"},
       {"{{end}}", "! template: t:1: unexpected {{end}}"},
       {"{{", "! template: t:1: unclosed action"},
       {"{{ \"a }}", "! template: t:1: unterminated quoted string"},
       {"{{/* a", "! template: t:1: unclosed comment"},
       {"{{break}}", "! template: t:1: {{break}} outside {{range}}"},
       {"{{1 | 2}}", "! template: t:1: non executable command in pipeline stage 2"},
       {"{{template \"nope\"}}",
        "! template: t:1:11: executing \"t\" at <{{template \"nope\"}}>: template \"nope\" not defined"},
       {"{{.Nope}}", "! template: t:1:2: executing \"t\" at <.Nope>: can't evaluate field Nope in type template.Data"},
       {"{{.Value.X}}", "! template: t:1:8: executing \"t\" at <.Value.X>: can't evaluate field X in type float64"},
       {"{{first .Empty}}",
        "! template: t:1:2: executing \"t\" at <first .Empty>: error calling first: first() called on vector with no "
        "elements"},
       {"{{toUpper}}",
        "! template: t:1:2: executing \"t\" at <toUpper>: wrong number of args for toUpper: want 1 got 0"},
       {"{{(args 1).a.b}}", "! template: t:1:8: executing \"t\" at <1>: nil pointer evaluating interface {}.b"}});
}

TEST(Template, StaysWithinItsLimits) {
  EXPECT_NE(expand("{{range .List}}0123456789{{end}}", {.output_bytes_max = 25}).find("the output is too long"),
            std::string::npos);
  EXPECT_NE(expand("{{range 1000000000000}}{{end}}", {.steps_max = 1000}).find("too many steps"), std::string::npos);
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "(";
  EXPECT_EQ(expand("{{" + deep).substr(0, 2), "! ");
}

TEST(Template, HumanizesAsPrometheusDoes) {
  check({{"{{humanize 0.0}} {{humanize 1234567.0}} {{humanize 0.00001}} {{humanize \"1e9\"}} {{humanize 999}} "
          "{{humanize -1500}}",
          "0 1.235M 10u 1G 999 -1.5k"},
         {"{{humanize1024 0.5}} {{humanize1024 1024}} {{humanize1024 1048576.0}} {{humanize1024 1500000000}}",
          "0.5 1ki 1Mi 1.397Gi"},
         {"{{humanizeDuration 0}} {{humanizeDuration 59.5}} {{humanizeDuration 61}} {{humanizeDuration 3661}} "
          "{{humanizeDuration 90061}} "
          "{{humanizeDuration 0.0012}} {{humanizeDuration -61}}",
          "0s 59.5s 1m 1s 1h 1m 1s 1d 1h 1m 1s 1.2ms -1m 1s"},
         {"{{humanizePercentage 0.12345}} {{humanizePercentage 1}}", "12.35% 100%"},
         {"{{humanizeTimestamp 1435065584.128}}", "2015-06-23 13:19:44.128 +0000 UTC"},
         {"{{humanize .For}} {{parseDuration \"1h2m10ms\"}}", "3.603k 3720.01"},
         {"{{title \"aa bb-cc DD\"}} {{stripPort \"[::1]:80\"}} {{stripPort \"x\"}} {{stripDomain \"a.b.c:80\"}} "
          "{{stripDomain \"1.2.3.4\"}}",
          "Aa Bb-Cc DD ::1 x a:80 1.2.3.4"},
         {"{{range sortByLabel \"job\" .Results}}{{.Labels.job}}={{.Value}} {{label \"job\" .}} {{value .}};{{end}}",
          "a=1 a 1;b=2 b 2;"},
         {"{{.Results | first | strvalue}}", "x"},
         {"{{(toTime 0).Year}} {{toDuration 90}}", "1970 1m30s"},
         {"{{reReplaceAll \"(a)(b)?\" \"<$1${2}x$1x>\" \"ab a\"}} {{match \"a.c\" \"xabc\"}}", "<abx> <ax> true"},
         {"{{reReplaceAll \"\" \"-\" \"ab\"}} {{reReplaceAll \"b*\" \"-\" \"abc\"}} {{reReplaceAll \"(?P<n>.)\" "
          "\"${n}.\" \"xy\"}}",
          "-a-b- -a-c- x.y."}});
}

TEST(Template, OffersWhatAlertmanagerOffers) {
  check({{"{{.Kv}} {{.Kv.SortedPairs.Values | join \"+\"}} {{.Kv.Names}}",
          "alertname=Down, job=api, zone=eu Down+api+eu [alertname job zone]"},
         {"{{.Kv.Remove (stringSlice \"job\" \"zone\")}}", "alertname=Down"},
         {"{{range .Kv.SortedPairs}}{{.Name}}:{{.Value}} {{end}}", "alertname:Down job:api zone:eu "},
         {"{{trimSpace \" \\n x \"}} {{toUpper \"a\"}} {{join \",\" .List}}", "x A a,b,c"},
         {"{{.At | date \"Mon Jan _2 15:04:05.000 MST 2006\"}} {{.At.Format \"2006-01-02T15:04:05Z07:00\"}}",
          "Sun Mar 29 13:37:05.250 UTC 2026 2026-03-29T13:37:05Z"},
         {"{{.At | tz \"Europe/Paris\" | date \"15:04 MST -0700\"}} {{.At | tz \"America/New_York\" | date \"3:04PM "
          "MST\"}}",
          "15:37 CEST +0200 9:37AM EDT"},
         {"{{.At | tz \"No/Where\"}}",
          "! template: t:1:8: executing \"t\" at <tz \"No/Where\">: error calling tz: unknown time zone No/Where"},
         {"{{(.At.Add 28800e9).Format \"15:04\"}} {{.At.Unix}} {{.At.IsZero}} {{.At.Weekday}}",
          "21:37 1774791425 false Sunday"},
         {"{{dict \"a\" 1 \"b\" (list 1 \"x\") | toJson}}", "{\"a\":1,\"b\":[1,\"x\"]}"},
         {"{{toJson .Html}} {{toJson .At}} {{toJson 1.5}}",
          "\"\\u003ca href=\\\"x\\\"\\u003e'\\u0026\" \"2026-03-29T13:37:05.25Z\" 1.5"},
         {"{{append (list 1) 2 3}} {{base64encode \"hi!?\"}} {{base64decode \"aGkhPw==\"}} {{urlUnescape \"a%20b\"}}",
          "[1 2 3] aGkhPw== hi!? a b"},
         {"{{toDate \"2006-01-02 15:04\" \"2025-12-31 23:59\"}} {{(now).Year}} {{since (mustToDate \"2006-01-02\" "
          "\"2026-01-02\")}}",
          "2025-12-31 23:59:00 +0000 UTC 2026 3h4m5s"}});
}

TEST(Template, AddsDefinitionsOfOtherTexts) {
  Result<Template> t =
      Template::parse("main", "{{define \"a\"}}1{{end}}{{template \"a\"}}{{template \"b\"}}", functions());
  ASSERT_TRUE(t);
  const Template before = *t;
  ASSERT_TRUE(t->add("file.tmpl", "{{define \"b\"}}2{{end}}{{define \"a\"}}  {{end}}"));
  EXPECT_TRUE(t->has("b"));
  EXPECT_FALSE(before.has("b"));
  EXPECT_EQ(t->execute(Value()).value_or("failed"), "12");
  ASSERT_TRUE(t->add("other.tmpl", "{{define \"a\"}}9{{end}}"));
  EXPECT_EQ(t->execute(Value()).value_or("failed"), "92");
  EXPECT_EQ(t->execute("b", Value()).value_or("failed"), "2");
  EXPECT_FALSE(t->execute("nope", Value()));
  EXPECT_FALSE(t->add("bad.tmpl", "{{"));
}

}  // namespace
}  // namespace tocsin::tmpl
