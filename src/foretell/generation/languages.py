"""The languages that texts may be drawn in: parts of JSON, Python and SQL that their own parsers read.

A rule is letters in quotes, [a class], <> (a name that is not reserved), other rules, | ? * and parentheses.
No rule begins with itself.
"""

import keyword
from collections.abc import Mapping
from dataclasses import dataclass

DEPTH = 4
"""Blocks of Python within each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """Rules, of which `text` is the first, and words that are no names."""

    rules: Mapping[str, str]
    reserved: frozenset[str] = frozenset()
    folds: bool = False
    """Whether letters may be of either case."""


JSON = {
    "text": "object | array",
    "object": 'open pair (comma pair)* close | "{}"',
    "open": '"{" space',
    "close": 'space "}"',
    "pair": 'string ":" space value',
    "array": '"[" space value (comma value)* space "]" | "[]"',
    "comma": '"," space',
    "space": r"([ \n])*",
    "value": 'object | array | string | number | "true" | "false" | "null"',
    "string": r'"\"" plain* "\""',
    "plain": r'[^"\\\x00-\x1f\x7f] | "\\" ["\\/bfnrt]',
    "number": '"-"? whole ("." [0-9] [0-9]*)?',
    "whole": '"0" | [1-9] [0-9]*',
}
EXPRESSIONS = {
    "expr": 'either (" if " either " else " expr)?',
    "either": 'both (" or " both)*',
    "both": 'negated (" and " negated)*',
    "negated": '"not " negated | compared',
    "compared": "sum (comparison sum)*",
    "comparison": '" == " | " != " | " < " | " > " | " <= " | " >= " | " in " | " not in "',
    "sum": 'term ((" + " | " - ") term)*',
    "term": 'factor ((" * " | " / " | " // " | " % " | " ** ") factor)*',
    "factor": '"-" factor | number | ("None" | "True" | "False") | thing trailer*',
    "thing": "<> | string | list | tuple | dict",
    "trailer": '"." <> | "(" args? ")" | "[" expr (":" expr?)? "]"',
    "args": 'expr (", " expr)* (", " named)* | named (", " named)*',
    "named": '<> "=" expr',
    "list": '"[" (expr (", " expr)*)? "]" | "[" expr " for " <> (", " <>)* " in " either "]"',
    "tuple": '"(" expr (", " expr)* ")" | "()"',
    "dict": '"{" (entry (", " entry)*)? "}"',
    "entry": 'expr ": " expr',
    "string": r'"\"" [^"\\\n\r\0]* "\"" | "\'" [^\'\\\n\r\0]* "\'"',
    "number": 'whole ("." [0-9] [0-9]*)?',
    "whole": '"0" | [1-9] [0-9]*',
}
STATEMENTS = {
    "simple": (
        '"pass" | "break" | "continue" | "return" (" " expr)? | "raise " expr | "assert " expr | imported |'
        ' place assigned expr | expr | "\\"\\"\\"" [^"\\\\\\0] [^"\\\\\\0]* "\\"\\"\\""'
    ),
    "imported": '"import " dotted (" as " <>)? | "from " dotted " import " <> (", " <>)*',
    "dotted": '<> ("." <>)*',
    "place": '<> ("." <> | "[" expr "]")*',
    "assigned": '" = " | " += " | " -= " | " *= "',
    "params": '<> (", " <>)* (", " default)* | default (", " default)*',
    "default": '<> "=" expr',
    "comment": r'"#" [^\n\r\0]* "\n"',
}


def _blocks() -> dict[str, str]:
    """Return the rules of Python's blocks, one set for each depth."""
    found = {"text": "more0 more0*"}
    for depth in range(DEPTH + 1):
        indent, block = f'"{"    " * depth}"' if depth else "", f"block{depth + 1}"
        ways = [f'{indent} simple "\\n"']
        if depth < DEPTH:
            ways += [
                f'{indent} {head} ":\\n" {block}'
                for head in (
                    '"def " <> "(" params? ")"',
                    '"class " <> ("(" <> ")")?',
                    '"for " <> (", " <>)* " in " expr',
                    '"while " expr',
                    '"with " expr " as " <>',
                )
            ]
            ways += [
                f'{indent} "if " expr ":\\n" {block} ({indent} "elif " expr ":\\n" {block})*'
                f' ({indent} "else:\\n" {block})?',
                f'{indent} "try:\\n" {block} {indent} "except " <> (" as " <>)? ":\\n" {block}',
            ]
        found[f"line{depth}"] = " | ".join(ways)
        found[f"quiet{depth}"] = f'"\\n" | {indent} comment'
        found[f"more{depth}"] = f"line{depth} | quiet{depth}"
        found[f"block{depth}"] = f"quiet{depth}* line{depth} more{depth}*"
    return found


SQL = {
    "text": 'statement ";"?',
    "statement": "select | insert | update | delete",
    "select": (
        '"select " "distinct "? columns " from " table joined* where? grouped? ordered? (" limit " whole)?'
    ),
    "columns": '"*" | column (", " column)*',
    "column": 'value (" as " <>)?',
    "table": '<> (" as " <>)?',
    "joined": '(" join " | " left join ") table " on " condition',
    "where": '" where " condition',
    "grouped": '" group by " field (", " field)* (" having " condition)?',
    "ordered": '" order by " value (" asc" | " desc")? (", " value (" asc" | " desc")?)*',
    "insert": '"insert into " <> " (" <> (", " <>)* ") values (" constant (", " constant)* ")"',
    "update": '"update " <> " set " <> " = " value (", " <> " = " value)* where?',
    "delete": '"delete from " <> where?',
    "condition": 'clause (" or " clause)*',
    "clause": 'test (" and " test)*',
    "test": (
        '"not "? (value compared value | field (" is null" | " is not null") | "(" condition ")" |'
        ' field " in (" constant (", " constant)* ")" | field " between " constant " and " constant |'
        ' field " like " string)'
    ),
    "compared": '" = " | " <> " | " < " | " > " | " <= " | " >= "',
    "value": 'term ((" + " | " - " | " * " | " / ") term)*',
    "term": 'field | constant | called | "(" value ")"',
    "called": '("count" | "sum" | "avg" | "min" | "max") ("(" "distinct "? field ")" | "(*)")',
    "field": '<> ("." <>)?',
    "constant": 'number | string | "null"',
    "string": r'"\'" [^\'\\\n\r\0]* "\'"',
    "number": '"-"? whole ("." [0-9] [0-9]*)?',
    "whole": '"0" | [1-9] [0-9]*',
}
SQL_WORDS = """
all alter and any array as asc at avg between by case cast check collate column count create cross
current_date current_time current_timestamp date default delete desc describe distinct div drop else
end escape except exists extract false fetch filter for foreign from full function glob grant group
having if ilike in index inner insert intersect interval into is join kill lateral left like limit
map max merge min mod natural not null offset on or order outer over overlaps partition pivot
primary qualify range recursive references regexp returning right rlike row rows select set show
similar some sounds struct sum table then time timestamp top trim true truncate union unique unnest
unpivot update use using values view when where window with xor
"""
LANGUAGES: Mapping[str, Language] = {
    "json": Language(rules=JSON),
    "python": Language(
        rules={**EXPRESSIONS, **STATEMENTS, **_blocks()},
        reserved=frozenset({*keyword.kwlist, "__debug__"}),
    ),
    "sql": Language(rules=SQL, reserved=frozenset(SQL_WORDS.split()), folds=True),
}
