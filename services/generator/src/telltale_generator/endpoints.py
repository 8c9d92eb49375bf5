"""REST interface of the generator."""

from fastapi import APIRouter

router = APIRouter(tags=["generator"])
