"""Answers questions from a Redis list, on the key of whoever asked.

A question brings the handle of a lease; the key stays with the relay.
"""

import json
import os

import redis
from openai import APIConnectionError, APIStatusError, OpenAI

RELAY = os.environ.get("KEYFERRY_RELAY", "http://localhost:8787")
QUESTIONS = "questions"
ANSWER_SECONDS = 3600

queue = redis.Redis.from_url(
    os.environ.get("REDIS_URL", "redis://localhost:6379"),
    decode_responses=True,
    # The library's own default is shorter than a quiet queue.
    socket_timeout=None,
)


def answer(lease: str, model: str, prompt: str) -> dict[str, str]:
    client = OpenAI(
        base_url=f"{RELAY}/v1",
        # The SDK insists on a key; the relay goes by the lease and drops this word.
        api_key="lease",
        default_headers={"X-BYOK-Lease": lease},
    )
    try:
        completion = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": prompt}]
        )
        return {"text": completion.choices[0].message.content or ""}
    except APIStatusError as error:
        return {"error": error.code or f"status {error.status_code}"}
    except APIConnectionError:
        return {"error": "unreachable"}


def main() -> None:
    print("waiting for questions", flush=True)
    while True:
        # Taken out of Redis as it is read, and the handle with it.
        _, text = queue.blpop(QUESTIONS)
        question = json.loads(text)
        reply = answer(question["lease"], question["model"], question["prompt"])
        where = f"answers:{question['id']}"
        queue.rpush(where, json.dumps(reply))
        queue.expire(where, ANSWER_SECONDS)
        print(f"question {question['id']}: {reply.get('error', 'answered')}", flush=True)


if __name__ == "__main__":
    main()
