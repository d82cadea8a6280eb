"""Make a seeded chat file of any size: Chinese and English, a third of the rows with tools.

python bench/make_rows.py OUT.jsonl --megabytes 60 --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

ENGLISH = [
    "the",
    "data",
    "model",
    "learns",
    "answer",
    "question",
    "weather",
    "train",
    "budget",
    "token",
    "sample",
    "city",
    "river",
    "garden",
    "music",
    "history",
    "window",
    "paper",
    "light",
    "number",
    "teacher",
    "station",
    "market",
    "season",
    "bridge",
    "letter",
    "story",
    "small",
    "large",
    "early",
    "quiet",
    "bright",
    "simple",
    "careful",
    "open",
    "green",
    "heavy",
    "often",
    "never",
    "always",
    "rather",
    "because",
    "while",
    "before",
    "after",
    "under",
    "between",
    "write",
    "read",
    "compare",
    "explain",
    "measure",
    "carry",
    "choose",
    "function",
    "returns",
    "value",
    "error",
    "retry",
    "schedule",
    "message",
    "invoice",
    "customer",
    "delivery",
    "account",
]
CHINESE = [
    "今天",
    "天气",
    "城市",
    "模型",
    "训练",
    "数据",
    "问题",
    "回答",
    "学习",
    "方法",
    "时间",
    "工作",
    "系统",
    "用户",
    "服务",
    "价格",
    "地址",
    "电话",
    "春天",
    "夏日",
    "花园",
    "河流",
    "音乐",
    "历史",
    "老师",
    "学生",
    "窗户",
    "灯光",
    "数字",
    "车站",
    "市场",
    "桥梁",
    "故事",
    "安静",
    "明亮",
    "简单",
    "因为",
    "所以",
    "但是",
    "如果",
    "然后",
    "已经",
    "可以",
    "需要",
    "比较",
    "说明",
    "测量",
    "选择",
    "打开",
    "订单",
    "客户",
    "退款",
    "发货",
    "账户",
]
TOOLS = {
    "get_weather": {"city": "string", "days": "integer"},
    "search_orders": {"customer": "string", "status": "string", "limit": "integer"},
    "convert_currency": {"amount": "number", "source": "string", "target": "string"},
    "查快递": {"单号": "string"},
}


def sentence(random_: random.Random, chinese: bool, words: int) -> str:
    """Some words of one language, with a stop at the end."""
    if chinese:
        return "".join(random_.choices(CHINESE, k=words)) + random_.choice("。！？")
    extra = [str(random_.randrange(10_000))] if random_.random() < 0.3 else []
    text = " ".join([*random_.choices(ENGLISH, k=words), *extra])
    return text.capitalize() + random_.choice(".!?")


def paragraph(random_: random.Random, chinese: bool, most: int) -> str:
    """A few sentences, now and then with line breaks or code."""
    parts = [
        sentence(random_, chinese, random_.randint(3, 14)) for _ in range(random_.randint(1, most))
    ]
    if random_.random() < 0.05:
        parts.append(f"\n```python\nprint({random_.randrange(100)})\n```\n")
    return ("\n" if random_.random() < 0.2 else "" if chinese else " ").join(parts)


def tool(name: str) -> dict[str, object]:
    """One tool in GLM form."""
    properties = {key: {"type": kind, "description": key} for key, kind in TOOLS[name].items()}
    parameters = {"type": "object", "properties": properties, "required": list(properties)[:1]}
    function = {"name": name, "description": f"Use {name}.", "parameters": parameters}
    return {"type": "function", "function": function}


def row(random_: random.Random) -> dict[str, object]:
    """One conversation."""
    chinese = random_.random() < 0.5
    messages: list[dict[str, object]] = []
    with_tools = random_.random() < 1 / 3
    if with_tools:
        names = random_.sample(list(TOOLS), random_.randint(1, 3))
        messages.append({"role": "system", "content": "", "tools": [tool(n) for n in names]})
    elif random_.random() < 0.3:
        messages.append({"role": "system", "content": sentence(random_, chinese, 8)})
    for _ in range(random_.randint(1, 3)):
        messages.append({"role": "user", "content": paragraph(random_, chinese, 3)})
        if with_tools and random_.random() < 0.6:
            name = random_.choice(names)
            made = {"string": "x", "integer": 3, "number": 1.5}
            arguments = {key: made[kind] for key, kind in TOOLS[name].items()}
            arguments = {
                k: random_.choice(CHINESE) if v == "x" else v for k, v in arguments.items()
            }
            content = json.dumps(arguments, ensure_ascii=False)
            messages.append({"role": "assistant", "metadata": name, "content": content})
            result = {"ok": True, "text": sentence(random_, chinese, 6)}
            content = json.dumps(result, ensure_ascii=False)
            messages.append({"role": "observation", "content": content})
        messages.append({"role": "assistant", "content": paragraph(random_, chinese, 9)})
    return {"messages": messages}


def make(path: Path, size: int, seed: int) -> int:
    """Write about `size` bytes; returns the number of rows."""
    random_ = random.Random(seed)
    rows = written = 0
    with path.open("wb") as out:
        while written < size:
            line = json.dumps(row(random_), ensure_ascii=False).encode() + b"\n"
            out.write(line)
            written += len(line)
            rows += 1
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--megabytes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(make(arguments.out, int(arguments.megabytes * 1e6), arguments.seed), "rows")
