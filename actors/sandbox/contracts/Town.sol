// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

contract Token {
    event Transfer(address indexed from, address indexed to, uint256 value);
    mapping(address => uint256) public balanceOf;
    uint256 public totalSupply;

    constructor() { _mint(msg.sender, 10 ** 27); }

    function _mint(address to, uint256 value) internal {
        balanceOf[to] += value;
        totalSupply += value;
        emit Transfer(address(0), to, value);
    }

    function mintMany(address[] calldata to, uint256 value) external {
        for (uint256 i = 0; i < to.length; i++) _mint(to[i], value + i);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        move(msg.sender, to, value);
        return true;
    }

    // Anybody may move anything: it is a test town's token.
    function move(address from, address to, uint256 value) public {
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }

    function moveMany(address[] calldata from, address[] calldata to, uint256 value) external {
        for (uint256 i = 0; i < to.length; i++) move(from[i], to[i], value);
    }
}

contract Staking {
    event Staked(address indexed user, uint256 amount, uint256 total);
    mapping(address => uint256) public totalStakedFor;

    function stakeFor(address user, uint256 amount) external {
        totalStakedFor[user] += amount;
        emit Staked(user, amount, totalStakedFor[user]);
    }
}

contract Delegation {
    event Delegated(address delegator, address target, uint256 amount);
    mapping(address => uint256) public getTotalDelegatorStake;

    function delegateFor(address delegator, address target, uint256 amount) external {
        getTotalDelegatorStake[delegator] += amount;
        emit Delegated(delegator, target, amount);
    }
}

// A source that fails in every way that a contract can, chosen by wallet.
contract Weird {
    event Transfer(address indexed from, address indexed to, uint256 indexed tokenId);
    mapping(address => uint8) public mode;
    uint256 sink;

    function setMode(address wallet, uint8 value) external { mode[wallet] = value; }

    function emitNft(address from, address to, uint256 id) external { emit Transfer(from, to, id); }

    function balanceOf(address wallet) external view returns (uint256) {
        uint8 m = mode[wallet];
        if (m == 1) revert("weird");
        if (m == 2) assembly { return(0, 0) }
        if (m == 3) assembly { mstore(0, 7) return(0, 31) }
        if (m == 4) assembly { mstore(0, 7) return(0, 33) }
        if (m == 5) return type(uint256).max;
        if (m == 6) { while (true) { m = 6; } }
        return 7;
    }
}

contract Multicall3 {
    struct Call3 { address target; bool allowFailure; bytes callData; }
    struct Result { bool success; bytes returnData; }

    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory returnData) {
        uint256 length = calls.length;
        returnData = new Result[](length);
        for (uint256 i = 0; i < length; i++) {
            (bool success, bytes memory data) = calls[i].target.call(calls[i].callData);
            require(success || calls[i].allowFailure, "Multicall3: call failed");
            returnData[i] = Result(success, data);
        }
    }

    function getBlockNumber() external view returns (uint256) { return block.number; }
    function getLastBlockHash() external view returns (bytes32) { unchecked { return blockhash(block.number - 1); } }
    function getCurrentBlockTimestamp() external view returns (uint256) { return block.timestamp; }
    function getCurrentBlockDifficulty() external view returns (uint256) { return block.prevrandao; }
    function getChainId() external view returns (uint256) { return block.chainid; }
    function getEthBalance(address wallet) external view returns (uint256) { return wallet.balance; }
}
