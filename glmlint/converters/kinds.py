"""What converters say: the kinds of losses and guesses, and the reasons to refuse a row."""

from __future__ import annotations

from typing import Final

from glmlint.converters.base import Kind

# --- lost on the way, or guessed ------------------------------------------------------------------

REASONING: Final = Kind(
    "reasoning",
    "the reasoning is left out: GLM-4 messages have no place for it",
    "思考过程被略去：GLM-4 的消息没有它的位置",
)
REASONING_UNREAD: Final = Kind(
    "reasoning-unread",
    "reasoning that is not text, or not the assistant's, is left out",
    "不是文本或不属于 assistant 的思考过程被略去",
)
THOUGHT_IN_TEXT: Final = Kind(
    "thought-in-text",
    "the reasoning stands in front of the answer between <think> tags, as LLaMA-Factory and ms-swift "
    "read it",
    "思考过程放在回答之前的 <think> 标签里，LLaMA-Factory 和 ms-swift 就是这样读取的",
)
CALLS_TOGETHER: Final = Kind(
    "calls-together",
    "several calls of one turn are a list in one function_call, their results one observation: "
    "LLaMA-Factory's templates glm4_moe and glm4_7 train that, glm4 raises ValueError",
    "同一轮的多个调用写成一个 function_call 里的列表，结果合为一条 observation：LLaMA-Factory 的模板 glm4_moe 和 "
    "glm4_7 可以训练，glm4 会抛出 ValueError",
)
TEXT_WITH_CALL: Final = Kind(
    "text-with-call",
    "a text in front of a call stays in its turn: right with LLaMA-Factory's templates glm4_moe and glm4_7, "
    "while glm4 would run the text and the function's name together",
    "调用之前的文字与调用留在同一轮：LLaMA-Factory 的模板 glm4_moe 和 glm4_7 处理正确，glm4 会把这段文字和函数名连在一起",
)
KEY_TWICE: Final = Kind(
    "key-twice",
    "a key stands twice in an object of a call's arguments: the last value is kept",
    "调用参数的对象里同一个键出现两次：只保留最后的值",
)
LOSS_SWITCH: Final = Kind(
    "loss-switch",
    "a switch for what is trained (loss, weight, train, …) is left out: the target has no place for it",
    "控制训练哪些内容的开关（loss、weight、train 等）被略去：目标格式没有它的位置",
)
MEDIA: Final = Kind(
    "media",
    "images, video or audio are not carried over: only text is",
    "图像、视频或音频没有转换：只保留文本",
)
PART: Final = Kind(
    "part",
    "a content part of an unknown type is left out",
    "内容中有未知类型的部分，已略去",
)
PARTS_JOINED: Final = Kind(
    "parts-joined",
    "several text parts of one message were joined by a newline",
    "同一条消息的多个文本部分用换行连接",
)
MESSAGE_KEY: Final = Kind(
    "message-key",
    "a key of a message is left out: the target has no place for it",
    "消息的一个键被略去：目标格式没有它的位置",
)
ROW_KEY: Final = Kind(
    "row-key",
    "a key of the row is left out: the target uses its name for something else",
    "行的一个键被略去：目标格式用这个名字表示别的内容",
)
NULL_CONTENT: Final = Kind(
    "null-content",
    "a message without content became an empty one, which the template leaves out",
    "没有内容的消息变成了空消息，模板会略去它",
)
CONTENT_NOT_TEXT: Final = Kind(
    "content-not-text",
    "content that is not text was written as JSON text",
    "不是文本的内容写成了 JSON 文本",
)
EMPTY_ARGUMENTS: Final = Kind(
    "empty-arguments",
    "a tool call without arguments, or with null as arguments, got {}",
    "没有参数（或参数为 null）的工具调用写成了 {}",
)
PARALLEL_CALLS: Final = Kind(
    "parallel-calls",
    "several tool calls of one message became one message each: GLM-4 makes one call a message",
    "同一条消息的多个工具调用拆成了多条消息：GLM-4 每条消息只有一个调用",
)
RESULTS_BY_ORDER: Final = Kind(
    "results-by-order",
    "tool results without ids were given to the calls in their order",
    "工具结果没有 id，按顺序对应到各个调用",
)
RESULTS_UNMATCHED: Final = Kind(
    "results-unmatched",
    "tool results could not be matched to the calls: they follow after all of them",
    "工具结果无法与调用对应：放在所有调用之后",
)
CALL_IN_TEXT: Final = Kind(
    "call-in-text",
    "a tool call is written inside the text and stays text: GLM-4 would learn to write that text",
    "工具调用写在正文里，仍按正文保留：GLM-4 会学成输出这段文字",
)
TEXT_BEFORE_CALL: Final = Kind(
    "text-before-call",
    "a thought or another text in front of a tool call became an assistant message before it",
    "工具调用前面的思考或其他文字成为调用之前的一条 assistant 消息",
)
CALL_KEY: Final = Kind(
    "call-key",
    "a tool call has more than a name, arguments and an id: the rest is left out",
    "工具调用除名称、参数和 id 外还有别的内容，已略去",
)
FOREIGN_MARKS: Final = Kind(
    "foreign-marks",
    "the text holds the turn marks of another model's template: GLM would train on them as text",
    "文本中含有其他模型模板的轮次标记：GLM 会把它们当作正文来训练",
)
NULL_PADDING: Final = Kind(
    "null-padding",
    "keys that are null because the file was written from a table (Dataset.to_json, to_parquet) are left "
    "out",
    "文件由数据表写出（Dataset.to_json、to_parquet），其中补成 null 的键已略去",
)
PARAMETERS_ADDED: Final = Kind(
    "parameters-added",
    "a tool without parameters got an empty schema: the official script raises without one",
    "没有 parameters 的工具补上了空的 schema：缺少它官方脚本会报错",
)
SYSTEM_COLUMN: Final = Kind(
    "system-column",
    "the system column is left out: the conversation begins with another system message",
    "system 列被略去：对话以另一条 system 消息开头",
)
LABEL_FALSE: Final = Kind(
    "label-false",
    "label is false: the answer is one to avoid, and plain fine-tuning would teach it",
    "label 为 false：这是应当避免的回答，普通微调会把它教给模型",
)
REJECTED: Final = Kind(
    "rejected",
    "the rejected answer is left out",
    "被拒绝的回答被略去",
)
EMPTY_TOOLS: Final = Kind(
    "empty-tools",
    "an empty tool list is left out",
    "空的工具列表被略去",
)
BUILTIN_TOOL: Final = Kind(
    "builtin-tool",
    "a tool that is not a function is written as it is: the target's trainers do not know it",
    "非 function 类型的工具照原样写出：使用目标格式的训练框架不认识它",
)
NOT_OBJECT: Final = Kind(
    "arguments-not-object",
    "the arguments of a call are not a JSON object: written as a string",
    "工具调用的参数不是 JSON 对象：写成字符串",
)
RESULT_WITHOUT_CALL: Final = Kind(
    "result-without-call",
    "a tool result without a call before it has no tool_call_id",
    "前面没有调用的工具结果没有 tool_call_id",
)
METADATA: Final = Kind(
    "metadata",
    "metadata on a message that is not a tool call is left out",
    "不是工具调用的消息上的 metadata 被略去",
)
TOOLS_ELSEWHERE: Final = Kind(
    "tools-elsewhere",
    "tools that are not on the first system message are left out",
    "不在第一条 system 消息上的工具被略去",
)
TURN_ORDER: Final = Kind(
    "turn-order",
    "turns do not alternate: LLaMA-Factory drops such a ShareGPT row",
    "轮次没有交替：LLaMA-Factory 会丢弃这样的 ShareGPT 行",
)

# --- refused ----------------------------------------------------------------------------------

UNKNOWN_FORMAT: Final = Kind(
    "unknown-format", "the format of the row is not recognised", "无法识别这一行的格式"
)
NO_MESSAGES: Final = Kind(
    "no-messages",
    "the list of messages that the format requires is missing",
    "没有该格式应有的消息列表",
)
MESSAGE_NOT_OBJECT: Final = Kind("message-not-object", "a message is not an object", "消息不是对象")
UNKNOWN_ROLE: Final = Kind("unknown-role", "an unknown role", "未知的角色")
CALL_UNREADABLE: Final = Kind(
    "call-unreadable",
    "a tool call without a name, or that is not valid JSON, cannot be carried over",
    "工具调用没有名称或不是 JSON，无法转换",
)
TOOLS_UNREADABLE: Final = Kind(
    "tools-unreadable",
    "the tools are not a JSON list of functions",
    "tools 不是由函数组成的 JSON 列表",
)
HISTORY: Final = Kind(
    "history-unreadable",
    "the history is neither a list of questions with their answers nor of messages",
    "history 既不是由问答组成的列表，也不是消息列表",
)
NO_COLUMN: Final = Kind(
    "no-column", "a column that --map names is not in the row", "行中没有 --map 指定的列"
)
NO_PLACE: Final = Kind(
    "no-place",
    "Alpaca rows hold a system text, questions and answers in turn, and nothing else",
    "Alpaca 的行只有 system 文本和交替的问答，放不下别的内容",
)
NO_QUESTION: Final = Kind(
    "no-question", "the question is missing or not text", "缺少问题，或问题不是文本"
)
NO_ANSWER: Final = Kind(
    "no-answer", "the answer is missing or not text", "缺少回答，或回答不是文本"
)
PREFERENCE: Final = Kind(
    "preference",
    "a preference row has two answers: --take chosen makes the chosen one the answer",
    "偏好数据有两个回答：用 --take chosen 取被选中的回答",
)
PLAIN_TEXT: Final = Kind(
    "text",
    "plain text has no roles: nobody asks and nobody answers",
    "纯文本没有角色，没有提问也没有回答",
)
BROKEN: Final = Kind("broken", "the row cannot be read", "这一行无法读取")
NOT_WRITABLE: Final = Kind(
    "not-writable",
    "the row holds a value that JSON in UTF-8 cannot represent",
    "这一行含有 UTF-8 编码的 JSON 无法表示的值",
)
SHAPE: Final = Kind("shape", "the resulting GLM row is not valid", "得到的 GLM 行格式不正确")
