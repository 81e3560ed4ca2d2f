#include "agent/core/config/fields.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/core/config/reference.h"

namespace tocsin {

enum class Mode { kFast, kSafe };
template <>
struct EnumNames<Mode> {
  static constexpr EnumName<Mode> kNames[] = {{Mode::kFast, "fast"}, {Mode::kSafe, "safe"}};
};

namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct Inner {
  std::string name;
  int port = 80;
  void fields(Fields& f) {
    f("name", name, "What it is called.").required();
    f("port", port, "Where it listens.").range(1, 65535);
  }
};

struct Outer {
  bool on = false;
  double ratio = 0.5;
  Duration timeout = seconds(5);
  Mode mode = Mode::kSafe;
  Secret token;
  Pattern pattern;
  Matchers matchers;
  Labels labels;
  std::vector<std::string> words;
  std::optional<int> maybe;
  std::vector<Inner> inner;
  std::map<std::string, Inner> named;
  void fields(Fields& f) {
    f("on", on, "Whether it runs.");
    f("ratio", ratio, "How much.").range(0.0, 1.0);
    f("timeout", timeout, "How long.").range(seconds(1), minutes(2));
    f("mode", mode, "Which way: a | b.");
    f("token", token, "Who we are.");
    f("pattern", pattern, "What to look for.");
    f("matchers", matchers, "Which alerts.");
    f("labels", labels, "What to add.");
    f("words", words, "Words.").check([](const auto& w) { return w.size() < 3; }, "must hold at most two words");
    f("maybe", maybe, "A number, or none.");
    f("inner", inner, "Parts.");
    f("named", named, "Parts by name.");
  }
};

std::string mistakes(std::string_view toml) {
  Diagnostics diagnostics;
  Outer outer;
  const ConfigNode node = parse_toml(toml, "f.toml", diagnostics);
  if (diagnostics.empty()) read_config(node, outer, diagnostics);
  return diagnostics.str();
}

constexpr const char* kWhole = R"(on = true
ratio = 1
timeout = "1m30s"
mode = "fast"
pattern = "a+"
matchers = ["a=b", 'c=~"d|e"']
words = "one"
maybe = 3

[labels]
team = "x"
"a.b" = "y"

[[inner]]
name = "first"

[[inner]]
name = "second"
port = 81

[named.x]
name = "by name"
)";

TEST(Config, ReadsEveryType) {
  Diagnostics diagnostics;
  Outer outer;
  EXPECT_TRUE(read_config(parse_toml(kWhole, "f.toml", diagnostics), outer, diagnostics)) << diagnostics.str();
  EXPECT_TRUE(outer.on);
  EXPECT_EQ(outer.ratio, 1);
  EXPECT_EQ(outer.timeout, seconds(90));
  EXPECT_EQ(outer.mode, Mode::kFast);
  EXPECT_TRUE(outer.pattern.found_in("xaay"));
  EXPECT_EQ(outer.matchers.size(), 2U);
  EXPECT_EQ(outer.labels, (Labels{{"team", "x"}, {"a.b", "y"}}));
  EXPECT_EQ(outer.words, std::vector<std::string>{"one"});
  EXPECT_EQ(outer.maybe, 3);
  ASSERT_EQ(outer.inner.size(), 2U);
  EXPECT_EQ(outer.inner[1].port, 81);
  EXPECT_EQ(outer.named["x"].name, "by name");
}

TEST(Config, IsWrittenAsItIsRead) {
  Diagnostics diagnostics;
  Outer outer;
  ASSERT_TRUE(read_config(parse_toml(kWhole, "f.toml", diagnostics), outer, diagnostics));
  const std::string text = to_toml(write_config(outer));
  Outer again;
  ASSERT_TRUE(read_config(parse_toml(text, "again.toml", diagnostics), again, diagnostics))
      << diagnostics.str() << text;
  EXPECT_EQ(to_toml(write_config(again)), text);
  EXPECT_EQ(again.matchers, outer.matchers);
  EXPECT_EQ(again.labels, outer.labels);
  EXPECT_EQ(again.named["x"].name, "by name");
}

TEST(Config, TellsAllMistakesAtOnceWithTheirPlaces) {
  EXPECT_EQ(mistakes("on = 1\nratio = 2.0\ntimeuot = \"1s\"\n[[inner]]\nport = 99999\n[[inner]]\nname = \"x\"\n"),
            "f.toml:1:6: This must be a boolean, and is an integer.\n"
            "f.toml:2:9: \"ratio\" must be 0.0 to 1.0.\n"
            "f.toml:3:1: \"timeuot\" is not a known key here; did you mean \"timeout\"?\n"
            "f.toml:4:1: \"name\" is missing.\n"
            "f.toml:5:8: \"port\" must be 1 to 65535.\n");
}

TEST(Config, SaysWhatIsWrong) {
  struct Row {
    const char* toml;
    const char* want;
  };
  const Row rows[] = {
      {"timeout = 5", "f.toml:1:11: This must be a duration in quotes (like \"1m30s\"), and is an integer.\n"},
      {"timeout = \"3m\"", "f.toml:1:11: \"timeout\" must be \"1s\" to \"2m\".\n"},
      {"mode = \"slow\"", "f.toml:1:8: \"slow\" is not one of: fast, safe.\n"},
      {"words = [\"a\", \"b\", \"c\"]", "f.toml:1:9: \"words\" must hold at most two words.\n"},
      {"words = [\"a\", 1]", "f.toml:1:15: This must be a string, and is an integer.\n"},
      {"labels = { __name__ = \"x\" }", "f.toml:1:12: \"__name__\" is not a valid label name.\n"},
      {"maybe = 3000000000", "f.toml:1:9: 3000000000 is not between -2147483648 and 2147483647.\n"},
      {"inner = 3", "f.toml:1:9: This must be a table, and is an integer.\n"},
      {"zzz = 1", "f.toml:1:1: \"zzz\" is not a known key here.\n"},
  };
  for (const Row& row : rows) EXPECT_EQ(mistakes(row.toml), row.want) << row.toml;
  EXPECT_NE(mistakes("pattern = \"(\"").find("f.toml:1:11: "), std::string::npos);
  EXPECT_NE(mistakes("matchers = [\"a=b\", \"{,}\"]").find("f.toml:1:20: "), std::string::npos);
  EXPECT_NE(mistakes("on = = 1").find("f.toml:1:"), std::string::npos);
}

TEST(Config, ShowsNoSecret) {
  Outer outer;
  outer.token = Secret::literal("hunter2");
  const std::string text = to_toml(write_config(outer));
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
  EXPECT_NE(text.find("token = \"********\""), std::string::npos);
  outer.token = Secret();
  EXPECT_EQ(to_toml(write_config(outer)).find("token"), std::string::npos);
}

TEST(Secret, ComesFromAFileOrTheEnvironment) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("tocsin_secret_" + std::to_string(::getpid()));
  std::ofstream(file) << "from file\r\n";
  ::setenv("TOCSIN_TEST_SECRET", "from env", 1);
  Diagnostics diagnostics;
  Outer outer;
  const auto read = [&](const std::string& toml) {
    read_config(parse_toml(toml, "f.toml", diagnostics), outer, diagnostics);
    return outer.token.reveal().value_or("!");
  };
  EXPECT_EQ(read("token = { file = \"" + file.string() + "\" }"), "from file");
  EXPECT_EQ(read("token = { env = \"TOCSIN_TEST_SECRET\" }"), "from env");
  EXPECT_EQ(read("token = \"plain\""), "plain");
  EXPECT_TRUE(diagnostics.empty()) << diagnostics.str();
  std::filesystem::remove(file);
  ::unsetenv("TOCSIN_TEST_SECRET");
  read("token = { env = \"TOCSIN_TEST_SECRET\" }");
  EXPECT_EQ(diagnostics.str(), "f.toml:1:9: the environment variable TOCSIN_TEST_SECRET is not set.\n");
}

TEST(ConfigReference, DocumentsFieldsAndNestedTables) {
  const std::string text = config_reference("outer", describe_config<Outer>(), true, "All of it.");
  EXPECT_TRUE(text.starts_with("## `[[outer]]`\n\nAll of it.\n\n| Key |")) << text;
  for (const char* part :
       {"| `ratio` | number | `0.5` | How much. | must be 0.0 to 1.0 |\n",
        "| `mode` | \"fast\" \\| \"safe\" | `\"safe\"` | Which way: a \\| b. |  |\n",
        "## `[[outer.inner]]`\n\nParts.\n\n", "| `name` | string | required | What it is called. |  |\n",
        "## `[outer.named.NAME]`\n\nParts by name.\n\n"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

}  // namespace
}  // namespace tocsin
