#pragma once

#include "topology/assert.h"
