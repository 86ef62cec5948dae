"""Ask a language model to judge: any endpoint with OpenAI's chat completions (vLLM, SGLang, a hosted one, Tinker's).

`judging.Judging` is what a judge's plugin is made from. Below it, one file each: the options, the prompt and its data,
the endpoint, limits, the budget, the cache, the replies. Only `endpoint` and `preflight` import httpx, when they are
called.
"""
