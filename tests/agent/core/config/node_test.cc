#include "agent/core/config/node.h"

#include <gtest/gtest.h>

namespace tocsin {
namespace {

ConfigNode yaml(std::string_view text, std::string* mistakes = nullptr) {
  Diagnostics diagnostics;
  ConfigNode node = parse_yaml(text, "f.yml", diagnostics);
  if (mistakes != nullptr) {
    *mistakes = diagnostics.str();
  } else {
    EXPECT_TRUE(diagnostics.empty()) << diagnostics.str();
  }
  return node;
}

TEST(Yaml, ResolvesPlainScalarsByTheCoreSchema) {
  const ConfigNode node = yaml(
      "a: 1\nb: -2.5\nc: true\nd: null\ne: ~\nf:\ng: text\nh: '1'\ni: \"true\"\nj: 0x1f\nk: .inf\nl: yes\nm: 1e3\nn: "
      "+3\no: 1m\n");
  EXPECT_EQ(to_toml(node),
            "a = 1\nb = -2.5\nc = true\ng = \"text\"\nh = \"1\"\ni = \"true\"\nj = 31\nk = inf\nl = \"yes\"\nm = "
            "1000.0\nn = 3\no = \"1m\"\n");
}

TEST(Yaml, KnowsThePlaceOfEveryKeyAndValue) {
  const ConfigNode node = yaml("groups:\n  - name: g\n    rules:\n      - expr: up\n");
  const ConfigNode::Map& group = *node.find("groups")->as_list()->front().as_map();
  EXPECT_EQ(group[0].key_at.line, 2U);
  EXPECT_EQ(group[0].key_at.column, 5U);
  EXPECT_EQ(group[0].node.at.column, 11U);
  EXPECT_EQ(group[1].node.as_list()->front().find("expr")->at.line, 4U);
}

TEST(Yaml, RefusesDuplicateKeysAndTellsSyntaxMistakes) {
  std::string mistakes;
  yaml("a: 1\nb: 2\na: 3\n", &mistakes);
  EXPECT_EQ(mistakes, "f.yml:3:1: The key \"a\" is given twice.\n");
  yaml("a: [1\n", &mistakes);
  EXPECT_TRUE(mistakes.starts_with("f.yml:")) << mistakes;
  yaml("a: *nobody\n", &mistakes);
  EXPECT_TRUE(mistakes.starts_with("f.yml:")) << mistakes;
}

TEST(Yaml, FollowsAliasesWithinBounds) {
  EXPECT_EQ(to_toml(yaml("a: &x {b: 1}\nc: *x\n")), "\n[a]\nb = 1\n\n[c]\nb = 1\n");
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) bomb += (k > 0 ? ",*a" : "*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  std::string mistakes;
  yaml(bomb, &mistakes);
  EXPECT_NE(mistakes.find("aliases expand to too much"), std::string::npos);
}

TEST(Yaml, ReadsNothingFromAnEmptyDocument) {
  EXPECT_EQ(yaml("").as_map()->size(), 0U);
  EXPECT_EQ(yaml("# only a comment\n").as_map()->size(), 0U);
}

TEST(Toml, KeepsTheOrderOfTheFileAndTellsMistakes) {
  Diagnostics diagnostics;
  EXPECT_EQ(to_toml(parse_toml("z = 1\na = 2026-01-02\n", "f.toml", diagnostics)), "z = 1\na = \"2026-01-02\"\n");
  parse_toml("a = 1\na = 2\n", "f.toml", diagnostics);
  EXPECT_TRUE(diagnostics.str().starts_with("f.toml:2:")) << diagnostics.str();
}

TEST(Config, MergesTablesAndReplacesLists) {
  Diagnostics diagnostics;
  const ConfigNode base = parse_toml("a = 1\nl = [1, 2]\n[t]\nx = 1\ny = 2\n", "f.toml", diagnostics);
  const ConfigNode over = parse_toml("l = [3]\nb = 2\n[t]\ny = 3\n", "g.toml", diagnostics);
  EXPECT_EQ(to_toml(merged(base, over)), "a = 1\nl = [3]\nb = 2\n\n[t]\nx = 1\ny = 3\n");
}

TEST(Config, TellsAFileThatCannotBeRead) {
  Diagnostics diagnostics;
  load_config_file("/nonexistent/file.toml", diagnostics);
  EXPECT_EQ(diagnostics.str(), "/nonexistent/file.toml: cannot be read: No such file or directory.\n");
}

TEST(Toml, EscapesWhatItWrites) {
  ConfigNode::Map map;
  map.push_back({"a b", {}, {std::string("q\"\\\n\x01"), {}}});
  const std::string text = to_toml({map, {}});
  EXPECT_EQ(text, "\"a b\" = \"q\\\"\\\\\\n\\u0001\"\n");
  Diagnostics diagnostics;
  EXPECT_EQ(*parse_toml(text, "f.toml", diagnostics).find("a b")->as_string(), "q\"\\\n\x01");
}

}  // namespace
}  // namespace tocsin
